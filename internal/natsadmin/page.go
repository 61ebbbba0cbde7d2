package natsadmin

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"

	"example.com/ordersaga/pkg/events"
)

// Page reads up to so many messages of the stream that begin at a sequence and have one of the subjects. It needs no
// consumer, so that a login need not be allowed to create one: it is the direct-get API, which answers with one message
// for each that is stored, and a last one without content. Last is the sequence of the last one, more is false when
// there are no others.
func Page(ctx context.Context, nc *nats.Conn, subjects string, first uint64, atMost int,
	each func(sequence uint64, msg *nats.Msg) error) (last uint64, more bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	inbox := nc.NewInbox()
	answers, err := nc.SubscribeSync(inbox)
	if err != nil {
		return 0, false, fmt.Errorf("read the stream: %w", err)
	}
	defer answers.Unsubscribe() //nolint:errcheck // a closed connection has no subscription either
	wanted := map[string]any{"seq": first, "batch": atMost}
	if subjects != events.StreamSubjects { // to count what is left of all the broker need not look at each subject
		wanted["next_by_subj"] = subjects
	}
	request, err := json.Marshal(wanted)
	if err != nil {
		return 0, false, fmt.Errorf("read the stream: %w", err)
	}
	if err := nc.PublishRequest("$JS.API.DIRECT.GET."+events.Stream, inbox, request); err != nil {
		return 0, false, fmt.Errorf("read the stream: %w", err)
	}
	for {
		msg, err := answers.NextMsgWithContext(ctx)
		if err != nil {
			return 0, false, fmt.Errorf("read the stream: %w", err)
		}
		switch status := msg.Header.Get("Status"); status {
		case "404": // nothing from here on
			return 0, false, nil
		case "204": // the end of the batch
			return last, msg.Header.Get("Nats-Num-Pending") != "0", nil
		case "": // an event
			if last, err = strconv.ParseUint(msg.Header.Get("Nats-Sequence"), 10, 64); err != nil {
				return 0, false, fmt.Errorf("read the stream: sequence of a stored message: %w", err)
			}
			if err := each(last, msg); err != nil {
				return 0, false, err
			}
		default:
			return 0, false, fmt.Errorf("read the stream: the broker answered %s %s", status, msg.Header.Get("Description"))
		}
	}
}
