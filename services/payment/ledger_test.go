package payment

import (
	"errors"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"example.com/ordersaga/services/payment/charge"
)

// code is the SQLSTATE of what a statement of the service's login ends with.
func code(t *testing.T, s *shop, sql string, args ...any) string {
	t.Helper()
	_, err := s.db.Pool.Exec(t.Context(), sql, args...)
	if refused, ok := errors.AsType[*pgconn.PgError](err); ok {
		return refused.Code
	}
	return ""
}

func TestLedger_TheServiceCannotRewriteIt(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.work()
	id := newID(t)
	s.handle(reserved(id, "tok_visa"))
	s.becomes(id, charge.Captured)
	const denied = "42501"
	for _, sql := range []string{
		`UPDATE ledger_entry SET amount = 1`, `DELETE FROM ledger_entry`, `TRUNCATE ledger_entry`,
		`ALTER TABLE ledger_entry DISABLE TRIGGER ALL`, `DROP TABLE ledger_entry`,
		`DELETE FROM payment`, `TRUNCATE payment`, `DELETE FROM gateway_line`,
	} {
		if got := code(t, s, sql); got != denied {
			t.Errorf("%s: %q", sql, got)
		}
	}
}

func TestLedger_WhatDoesNotSumToZeroIsNotWritten(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	const head = `INSERT INTO ledger_entry (posting_id, account, amount, currency, merchant_reference, gateway_id, kind) VALUES `
	const one, two = `'019ab0f2-7c3e-7d10-9a55-0c2f6a1b7e42'`, `'019ab0f2-7c3e-7d10-9a55-0c2f6a1b7e43'`
	tests := []struct{ sentence, rows, want string }{
		{"one side alone", `(` + one + `, 'gateway', 5, 'USD', 'x', 'ch_1', 'charge')`, "23514"},
		{"sides that differ", `(` + one + `, 'gateway', 5, 'USD', 'x', 'ch_1', 'charge'), (` + one + `, 'customers', -4, 'USD', 'x', 'ch_1', 'charge')`, "23514"},
		{"sides in two currencies", `(` + one + `, 'gateway', 5, 'USD', 'x', 'ch_1', 'charge'), (` + one + `, 'customers', -5, 'EUR', 'x', 'ch_1', 'charge')`, "23514"},
		{"two postings that make up for each other", `(` + one + `, 'gateway', 5, 'USD', 'x', 'ch_1', 'charge'), (` + two + `, 'customers', -5, 'USD', 'x', 'ch_1', 'charge')`, "23514"},
		{"an account that nobody knows", `(` + one + `, 'gateway', 5, 'USD', 'x', 'ch_1', 'charge'), (` + one + `, 'pocket', -5, 'USD', 'x', 'ch_1', 'charge')`, "23514"},
		{"both sides", `(` + one + `, 'gateway', 5, 'USD', 'x', 'ch_1', 'charge'), (` + one + `, 'customers', -5, 'USD', 'x', 'ch_1', 'charge')`, ""},
		{"the same movement twice", `(` + two + `, 'gateway', 5, 'USD', 'x', 'ch_1', 'charge'), (` + two + `, 'customers', -5, 'USD', 'x', 'ch_1', 'charge')`, "23505"},
	}
	for _, test := range tests {
		if got := code(t, s, head+test.rows); got != test.want {
			t.Errorf("%s: %q, want %q", test.sentence, got, test.want)
		}
	}
	if n := count(t, s.db.Pool, `SELECT count(*) FROM ledger_entry`); n != 2 {
		t.Errorf("%d entries were written", n)
	}
}

func TestLedger_MoneyMovesBetweenAccounts(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	err := pgx.BeginFunc(t.Context(), s.db.Pool, func(tx pgx.Tx) error {
		return charge.Post(t.Context(), tx,
			charge.Posting{Kind: "charge", Reference: "o-1", GatewayID: "ch_1", Amount: 1999, Currency: "USD"},
			charge.Posting{Kind: "charge", Reference: "o-2", GatewayID: "ch_2", Amount: 500, Currency: "USD"},
			charge.Posting{Kind: "refund", Reference: "o-1", GatewayID: "re_1", Amount: 1999, Currency: "USD"})
	})
	if err != nil {
		t.Fatal(err)
	}
	for account, want := range map[string]int{"gateway": 500, "customers": -500} {
		if got := count(t, s.db.Pool, `SELECT sum(amount) FROM ledger_entry WHERE account = $1`, account); got != want {
			t.Errorf("%s: %d, want %d", account, got, want)
		}
	}
	sides := text(t, s.db.Pool, `SELECT string_agg(account || ' ' || amount, ', ' ORDER BY account) FROM ledger_entry WHERE gateway_id = 're_1'`)
	if sides != "customers 1999, gateway -1999" {
		t.Errorf("a refund is %s", sides)
	}
}

// The tables themselves refuse states that make no sense, whatever the code believes.
func TestDatabase_KeepsThePaymentInShape(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	id := s.put(charge.Captured)
	for _, sql := range []string{
		`UPDATE payment SET charge_id = NULL WHERE order_id = $1`,
		`UPDATE payment SET state = 'REFUNDING' WHERE order_id = $1`,
		`UPDATE payment SET state = 'REFUNDED', refund_amount = 1 WHERE order_id = $1`,
		`UPDATE payment SET state = 'REFUNDED', refund_amount = 1, refund_id = 're_1', returned_amount = 1998 WHERE order_id = $1`,
		`UPDATE payment SET returned_amount = 2000 WHERE order_id = $1`,
		`UPDATE payment SET state = 'LOST' WHERE order_id = $1`,
		`UPDATE payment SET amount = 0 WHERE order_id = $1`,
		`UPDATE payment SET charge_key = NULL WHERE order_id = $1`,
		`UPDATE payment SET lease_until = now() WHERE order_id = $1`,
		`UPDATE payment SET direct_reference = 'invoice-1' WHERE order_id = $1`,
	} {
		if got := code(t, s, sql, id); got != "23514" {
			t.Errorf("%s: %q", strings.ReplaceAll(sql, " WHERE order_id = $1", ""), got)
		}
	}
}
