package gateway

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net/http"

	jsonv2 "github.com/go-json-experiment/json"

	"example.com/ordersaga/contracts/gateway/api"
)

// page is a part of the ledger for a reader. It is read from the file while it is sent, without the lock: a line that
// is on the disk never changes.
type page struct {
	lines   io.Reader
	skip    int // movements at the beginning of the lines that the reader knows
	entries int // movements after them that the reader gets
	next    int
}

// VisitReadLedgerResponse sends the page as an [api.Ledger].
func (p page) VisitReadLedgerResponse(w http.ResponseWriter) error {
	w.Header().Set("Content-Type", "application/json")
	if p.send(w) != nil {
		panic(http.ErrAbortHandler) // or a client would take a part for all
	}
	return nil
}

func (p page) send(w io.Writer) error {
	out, lines := bufio.NewWriter(w), bufio.NewReaderSize(p.lines, 64<<10)
	_, _ = out.WriteString(`{"entries":[`) // Flush has the first error of all writes
	for n := range p.skip + p.entries {
		text, err := movement(lines)
		if err != nil {
			return err
		}
		if n < p.skip {
			continue
		}
		if n > p.skip {
			_ = out.WriteByte(',')
		}
		_, _ = out.Write(text)
	}
	_, _ = fmt.Fprintf(out, `],"next":%d}`, p.next)
	return out.Flush()
}

// movement is the next line that is about money, as an [api.Entry].
func movement(lines *bufio.Reader) ([]byte, error) {
	for {
		line, err := lines.ReadSlice('\n')
		if err != nil {
			return nil, err
		}
		var r struct {
			Kind   api.EntryKind `json:"kind"`
			Answer api.Entry     `json:"answer"`
		}
		if err := jsonv2.Unmarshal(line, &r); err != nil {
			return nil, err
		}
		if r.Answer.Kind = r.Kind; r.Kind == api.EntryKindCharge || r.Kind == api.EntryKindRefund {
			return json.Marshal(r.Answer)
		}
	}
}
