package payment

import (
	"context"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// Posting is one movement of money, as it is written to the ledger.
type Posting struct {
	Kind      string // "charge", "refund" or "settlement"
	Reference string
	GatewayID string // none of a settlement
	Amount    int64
	Currency  string
}

// Each kind of posting moves money between two accounts; the first column is where it arrives. The picture
// is in migrations/00002_ledger.sql.
const (
	accountGateway    = "gateway"
	accountCustomers  = "customers"
	accountSettlement = "manual_settlement"
)

// entries are the two sides of a posting: what arrives at one account has left the other, so that they sum
// to zero by construction. The database checks it all the same.
func (p Posting) entries() (to, from string) {
	switch p.Kind {
	case "refund":
		return accountCustomers, accountGateway
	case "settlement":
		return accountCustomers, accountSettlement
	}
	return accountGateway, accountCustomers
}

// post writes movements of money to the ledger, all in one statement. Nothing ever changes an entry; a
// movement at the gateway that is there already makes the statement fail, and the transaction with it.
func post(ctx context.Context, tx pgx.Tx, postings []Posting) error {
	if len(postings) == 0 {
		return nil
	}
	var ids []uuid.UUID
	var to, from, kinds, references, gatewayIDs, currencies []string
	var amounts []int64
	for _, p := range postings {
		id, err := uuid.NewV7()
		if err != nil {
			return fmt.Errorf("make a posting id: %w", err)
		}
		arrives, leaves := p.entries()
		ids, to, from, amounts = append(ids, id), append(to, arrives), append(from, leaves), append(amounts, p.Amount)
		kinds, references = append(kinds, p.Kind), append(references, p.Reference)
		gatewayIDs, currencies = append(gatewayIDs, p.GatewayID), append(currencies, p.Currency)
	}
	_, err := tx.Exec(ctx, `
		INSERT INTO ledger_entry (posting_id, account, amount, currency, merchant_reference, gateway_id, kind)
		SELECT id, side.account, side.amount, currency, reference, nullif(gateway_id, ''), kind
		FROM unnest($1::uuid[], $2::text[], $3::text[], $4::bigint[], $5::text[], $6::text[], $7::text[], $8::text[])
			AS posting (id, arrives, leaves, amount, currency, reference, gateway_id, kind),
		LATERAL (VALUES (arrives, amount), (leaves, -amount)) AS side (account, amount)`,
		ids, to, from, amounts, currencies, references, gatewayIDs, kinds)
	if err != nil {
		return fmt.Errorf("write to the ledger: %w", err)
	}
	return nil
}
