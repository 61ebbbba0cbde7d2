package lostcommits

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/jackc/pgx/v5"

	"example.com/ordersaga/internal/adminapi"
	"example.com/ordersaga/pkg/loop"
	"example.com/ordersaga/pkg/problem"
)

// State is what a service knows of its database.
type State struct {
	Used    bool      `json:"used"`
	Problem string    `json:"problem,omitempty"` // why it is not used
	Known   *Identity `json:"known,omitempty"`   // the one that is used, or was
}

func (g *Guard) state() State {
	s := State{Used: true, Known: g.known.Load()}
	if err := g.Ready(); err != nil {
		s.Used, s.Problem = false, err.Error()
	}
	return s
}

// Routes are what the admin listener shows: the state, and the decision of a person to use the database as it is, where
// the stream does not go back far enough to make up for what is lost.
func (g *Guard) Routes(r chi.Router) {
	r.Get("/database", func(w http.ResponseWriter, r *http.Request) {
		body, err := json.Marshal(g.state())
		if err != nil {
			problem.Write(w, r, err)
			return
		}
		adminapi.Answer(w, body, false)
	})
	r.Post("/database/accept", func(w http.ResponseWriter, r *http.Request) {
		answer, replayed, err := g.acceptAsItIs(w, r)
		if err != nil {
			problem.Write(w, r, err)
			return
		}
		adminapi.Answer(w, answer, replayed)
	})
}

// decideTime is how long it may take until the database is used again.
const decideTime = 10 * time.Second

// acceptAsItIs has the database used without a rebuild, and records who has decided that in the database itself.
func (g *Guard) acceptAsItIs(w http.ResponseWriter, r *http.Request) (answer []byte, replayed bool, err error) {
	var c adminapi.Command
	request, err := adminapi.Read(w, r, &c)
	if err == nil {
		err = c.Check()
	}
	if err != nil {
		return nil, false, err
	}
	before := g.state()
	if before.Used {
		if answer, replayed, err = adminapi.Answered(r.Context(), g.pool, request); err != nil || replayed {
			return answer, replayed, err
		}
		return nil, false, problem.New(http.StatusConflict, "The database is used.")
	}
	g.log.WarnContext(r.Context(), "the database is to be used as it is", "by", c.By, "why", c.Why)
	g.asItIs.Store(true)
	loop.Wake(g.wake)
	if err := g.await(r.Context()); err != nil {
		return nil, false, err
	}
	admin := adminapi.API{Pool: g.pool, Transact: func(ctx context.Context, fn func(pgx.Tx) error) error {
		return pgx.BeginFunc(ctx, g.pool, fn)
	}}
	return admin.Do(r.Context(), request, func(pgx.Tx) (adminapi.Action, error) {
		after := g.state()
		return adminapi.Action{By: c.By, Why: c.Why, Action: "accept", TargetKind: "database",
			TargetID: string(g.service), Before: before, After: after, Answer: after}, nil
	})
}

// await waits until the database is used.
func (g *Guard) await(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, decideTime)
	defer cancel()
	for {
		doubt := g.Ready()
		if doubt == nil {
			return nil
		}
		if !loop.Rest(ctx, 50*time.Millisecond, nil) {
			return &problem.Error{Status: http.StatusServiceUnavailable, RetryAfter: time.Second,
				Detail: "Not yet: " + doubt.Error() + ". Try again."}
		}
	}
}
