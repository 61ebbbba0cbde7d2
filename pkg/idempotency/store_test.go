package idempotency

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"

	"example.com/ordersaga/pkg/events"
	"example.com/ordersaga/pkg/problem"
	"example.com/ordersaga/pkg/testkit"
)

func TestMain(m *testing.M) { testkit.Main(m) }

func database(t *testing.T) *testkit.DB {
	t.Helper()
	return testkit.Database(t, events.Order, testkit.Migration{Table: Table, FS: Migrations()})
}

// requestOf is a request with this key and body.
func requestOf(t *testing.T, key, body string) Request {
	t.Helper()
	request, err := ForOperation("POST /v1/things", "things", key, body)
	if err != nil {
		t.Fatal(err)
	}
	return request
}

var created = Response{
	Status: http.StatusAccepted,
	Header: map[string]string{"Content-Type": "application/json", "Location": "/v1/things/1"},
	Body:   []byte("{\"b\": 1,  \"a\":\t2}\n"), // a database that knew it as JSON would tidy it up
}

// begin tells what Begin says about the requests, in a transaction of their own.
func begin(t *testing.T, db *testkit.DB, requests ...Request) []Kind {
	t.Helper()
	var kinds []Kind
	err := pgx.BeginFunc(t.Context(), db.Pool, func(tx pgx.Tx) error {
		outcomes, err := Begin(t.Context(), tx, requests)
		for _, outcome := range outcomes {
			kinds = append(kinds, outcome.Kind)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return kinds
}

// store executes a request: Begin says Fresh, Finish stores the answer.
func store(t *testing.T, db *testkit.DB, request Request, answer Response, keep time.Duration) {
	t.Helper()
	err := pgx.BeginFunc(t.Context(), db.Pool, func(tx pgx.Tx) error {
		outcomes, err := Begin(t.Context(), tx, []Request{request})
		if err != nil {
			return err
		}
		if outcomes[0].Kind != Fresh {
			return fmt.Errorf("kind %d is not fresh", outcomes[0].Kind)
		}
		return Finish(t.Context(), tx, []Finished{{Request: request, Response: answer, Keep: keep}})
	})
	if err != nil {
		t.Fatal(err)
	}
}

func expect(t *testing.T, got []Kind, want ...Kind) {
	t.Helper()
	if !reflect.DeepEqual(got, want) {
		t.Errorf("kinds %v, want %v", got, want)
	}
}

func TestFinish_AStoredResponseIsReplayedByteForByte(t *testing.T) {
	t.Parallel()
	db := database(t)
	request := requestOf(t, "k", "a")
	store(t, db, request, created, 0)

	err := pgx.BeginFunc(t.Context(), db.Pool, func(tx pgx.Tx) error {
		outcomes, err := Begin(t.Context(), tx, []Request{request})
		if err != nil {
			return err
		}
		if outcomes[0].Kind != Replay || outcomes[0].Err() != nil || !reflect.DeepEqual(outcomes[0].Response, created) {
			t.Errorf("got %+v, want a replay of %+v", outcomes[0], created)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestFinish_AnEmptyResponseIsStored(t *testing.T) {
	t.Parallel()
	db := database(t)
	store(t, db, requestOf(t, "k", "a"), Response{Status: http.StatusNoContent}, 0)
	expect(t, begin(t, db, requestOf(t, "k", "a")), Replay)
}

func TestBegin_EachRequestOfABatchGetsItsOutcome(t *testing.T) {
	t.Parallel()
	db := database(t)
	store(t, db, requestOf(t, "answered", "a"), created, 0)
	elsewhere := requestOf(t, "answered", "a")
	elsewhere.Scope = "other things"
	expect(t, begin(t, db,
		requestOf(t, "new", "a"), requestOf(t, "answered", "a"), requestOf(t, "answered", "b"), requestOf(t, "new", "a"),
		requestOf(t, "new", "b"), elsewhere, requestOf(t, "answered", "a"), requestOf(t, "newer", "a")),
		Fresh, Replay, OtherBody, InProgress, InProgress, Fresh, Replay, Fresh)
}

func TestBegin_NoRequestsAreNoWork(t *testing.T) {
	t.Parallel()
	db := database(t)
	expect(t, begin(t, db))
	if err := pgx.BeginFunc(t.Context(), db.Pool, func(tx pgx.Tx) error { return Finish(t.Context(), tx, nil) }); err != nil {
		t.Fatal(err)
	}
}

func TestBegin_AHeldKeyIsInProgressAtOnce(t *testing.T) {
	t.Parallel()
	db := database(t)
	request := requestOf(t, "k", "a")
	err := pgx.BeginFunc(t.Context(), db.Pool, func(tx pgx.Tx) error {
		if _, err := Begin(t.Context(), tx, []Request{request}); err != nil {
			return err
		}
		if err := Finish(t.Context(), tx, []Finished{{Request: request, Response: created}}); err != nil {
			return err
		}
		// Would it wait for the key, it would wait for ever: the holder commits after it.
		expect(t, begin(t, db, requestOf(t, "free", "a"), request, requestOf(t, "k", "b")), Fresh, InProgress, InProgress)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	expect(t, begin(t, db, request, requestOf(t, "k", "b")), Replay, OtherBody)
}

func TestBegin_ARollbackLeavesTheKeyFree(t *testing.T) {
	t.Parallel()
	db := database(t)
	request := requestOf(t, "k", "a")
	failed := errors.New("the work failed")
	err := pgx.BeginFunc(t.Context(), db.Pool, func(tx pgx.Tx) error {
		if _, err := Begin(t.Context(), tx, []Request{request}); err != nil {
			return err
		}
		return errors.Join(Finish(t.Context(), tx, []Finished{{Request: request, Response: created}}), failed)
	})
	if !errors.Is(err, failed) {
		t.Fatal(err)
	}
	expect(t, begin(t, db, request), Fresh)
}

func TestFinish_OnlyFinalResponsesAreStored(t *testing.T) {
	t.Parallel()
	tests := []struct {
		status int
		after  Kind
	}{
		{200, Replay},
		{201, Replay},
		{202, Replay},
		{402, Replay}, // a decline is the answer
		{409, Replay}, // and so is "not below zero"
		{400, Fresh},
		{413, Fresh},
		{415, Fresh},
		{422, Fresh},
		{500, Fresh},
		{503, Fresh},
	}
	db := database(t)
	for _, test := range tests {
		t.Run(fmt.Sprint(test.status), func(t *testing.T) {
			t.Parallel()
			request := requestOf(t, fmt.Sprint(test.status), "a")
			store(t, db, request, Response{Status: test.status, Body: []byte("{}")}, 0)
			expect(t, begin(t, db, request), test.after)
		})
	}
}

func TestFinish_ASecondResponseToOneKeyFails(t *testing.T) {
	t.Parallel()
	db := database(t)
	request := requestOf(t, "k", "a")
	store(t, db, request, created, 0)
	// Somebody who did not ask Begin: the table itself refuses.
	err := pgx.BeginFunc(t.Context(), db.Pool, func(tx pgx.Tx) error {
		return Finish(t.Context(), tx, []Finished{{Request: requestOf(t, "new", "a"), Response: created}, {Request: request, Response: created}})
	})
	if err == nil {
		t.Fatal("the second answer was stored")
	}
	expect(t, begin(t, db, requestOf(t, "new", "a")), Fresh)
}

func TestBegin_AnExpiredKeyMayBeUsedAnew(t *testing.T) {
	t.Parallel()
	db := database(t)
	store(t, db, requestOf(t, "k", "a"), created, time.Hour)
	expect(t, begin(t, db, requestOf(t, "k", "a")), Replay)
	expire(t, db, "k")
	expect(t, begin(t, db, requestOf(t, "k", "other")), Fresh)

	anew := Response{Status: http.StatusOK, Body: []byte("other")}
	store(t, db, requestOf(t, "k", "other"), anew, 0)
	expect(t, begin(t, db, requestOf(t, "k", "other"), requestOf(t, "k", "a")), Replay, OtherBody)
}

// expire lets the answer under this key end.
func expire(t *testing.T, db *testkit.DB, key string) {
	t.Helper()
	tag, err := db.Pool.Exec(t.Context(), `UPDATE idempotency_key SET expires_at = now() WHERE key = $1`, key)
	if err != nil || tag.RowsAffected() != 1 {
		t.Fatalf("expire %s: %v %v", key, tag, err)
	}
}

func TestFinish_AResponseIsKeptAsLongAsAskedFor(t *testing.T) {
	t.Parallel()
	db := database(t)
	store(t, db, requestOf(t, "default", "a"), created, 0)
	store(t, db, requestOf(t, "week", "a"), created, 7*24*time.Hour)
	for key, want := range map[string]time.Duration{"default": 24 * time.Hour, "week": 7 * 24 * time.Hour} {
		var kept time.Duration
		err := db.Pool.QueryRow(t.Context(), `SELECT expires_at - created_at FROM idempotency_key WHERE key = $1`, key).Scan(&kept)
		if err != nil || kept != want {
			t.Errorf("%s is kept for %v (%v), want %v", key, kept, err, want)
		}
	}
}

func TestReaper_DeletesWhatHasExpiredInBoundedBatches(t *testing.T) {
	t.Parallel()
	db := database(t)
	for i := range 5 {
		store(t, db, requestOf(t, fmt.Sprint("old", i), "a"), created, 0)
		expire(t, db, fmt.Sprint("old", i))
	}
	store(t, db, requestOf(t, "young", "a"), created, 0)

	for _, want := range []int{2, 2, 1, 0} {
		if n, err := Reap(t.Context(), db.Pool, 2); err != nil || n != want {
			t.Errorf("reaped %d (%v), want %d", n, err, want)
		}
	}
	expect(t, begin(t, db, requestOf(t, "young", "a")), Replay)
}

func TestReaper_DoesNotWaitForAKeyInUse(t *testing.T) {
	t.Parallel()
	db := database(t)
	request := requestOf(t, "k", "a")
	store(t, db, request, created, 0)
	expire(t, db, "k")
	err := pgx.BeginFunc(t.Context(), db.Pool, func(tx pgx.Tx) error {
		if err := Finish(t.Context(), tx, []Finished{{Request: request, Response: created}}); err != nil {
			return err
		}
		if n, err := Reap(t.Context(), db.Pool, 10); err != nil || n != 0 {
			t.Errorf("reaped %d (%v) while the key was being answered anew", n, err)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	expect(t, begin(t, db, request), Replay)
}

func TestClaim_OutlivesItsTransactionUntilItsLeaseEnds(t *testing.T) {
	t.Parallel()
	db := database(t)
	request := requestOf(t, "k", "a")
	first := claim(t, db, request)
	expect(t, begin(t, db, request, requestOf(t, "k", "b")), InProgress, OtherBody)

	if _, err := db.Pool.Exec(t.Context(), `UPDATE idempotency_key SET lease_until = now()`); err != nil {
		t.Fatal(err)
	}
	expect(t, begin(t, db, request), Fresh)
	second := claim(t, db, request)

	finish := func(lease string) error {
		return pgx.BeginFunc(t.Context(), db.Pool, func(tx pgx.Tx) error {
			return Finish(t.Context(), tx, []Finished{{Request: request, Response: created, Lease: lease}})
		})
	}
	if finish(first) == nil {
		t.Error("the one whose lease had ended stored its answer over the other's work")
	}
	if err := finish(second); err != nil {
		t.Error(err)
	}
	expect(t, begin(t, db, request), Replay)
	if finish(second) == nil {
		t.Error("a second answer was stored under one lease")
	}
}

func claim(t *testing.T, db *testkit.DB, request Request) string {
	t.Helper()
	var lease string
	err := pgx.BeginFunc(t.Context(), db.Pool, func(tx pgx.Tx) (err error) {
		taken, err := Claim(t.Context(), tx, request, time.Minute, 0)
		lease = taken.Token
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return lease
}

func TestYield_TheClaimIsTakenOverAtOnce(t *testing.T) {
	t.Parallel()
	db := database(t)
	request := requestOf(t, "k", "a")
	lease := claim(t, db, request)
	for _, step := range []struct {
		token string
		after Kind
	}{{"00000000-0000-0000-0000-000000000000", InProgress}, {lease, Fresh}} {
		inTx(t, db, func(tx pgx.Tx) error { return Yield(t.Context(), tx, request, step.token) })
		expect(t, begin(t, db, request), step.after)
	}
	expect(t, begin(t, db, requestOf(t, "k", "b")), OtherBody) // the key still stands for the first body
}

func TestAdvance_ATakeoverContinuesFromTheRecoveryPoint(t *testing.T) {
	t.Parallel()
	db := database(t)
	request := requestOf(t, "k", "a")
	at := func(want RecoveryPoint) {
		t.Helper()
		inTx(t, db, func(tx pgx.Tx) error {
			lease, err := Claim(t.Context(), tx, request, time.Minute, 0)
			if err == nil && lease.Point != want {
				t.Errorf("claimed at %q, want %q", lease.Point, want)
			}
			if err == nil {
				err = Yield(t.Context(), tx, request, lease.Token)
			}
			return err
		})
	}
	at(Started)
	at(Started) // nothing was learned, so nothing is skipped
	inTx(t, db, func(tx pgx.Tx) error { return Advance(t.Context(), tx, []Request{request}) })
	at(GatewayCalled)

	if _, err := db.Pool.Exec(t.Context(), `UPDATE idempotency_key SET expires_at = now()`); err != nil {
		t.Fatal(err)
	}
	at(Started) // an expired key is another one's, from the beginning
}

// Whoever stores an outcome must not wait for somebody who claims the key and waits for the outcome.
func TestAdvance_NeverWaits(t *testing.T) {
	t.Parallel()
	db := database(t)
	request := requestOf(t, "k", "a")
	claim(t, db, request)
	inTx(t, db, func(claiming pgx.Tx) error {
		if _, err := claiming.Exec(t.Context(), `SELECT FROM idempotency_key FOR UPDATE`); err != nil {
			return err
		}
		inTx(t, db, func(tx pgx.Tx) error { return Advance(t.Context(), tx, []Request{request}) })
		return nil
	})
}

func inTx(t *testing.T, db *testkit.DB, fn func(tx pgx.Tx) error) {
	t.Helper()
	if err := pgx.BeginFunc(t.Context(), db.Pool, fn); err != nil {
		t.Fatal(err)
	}
}

func TestOutcome_TheErrorExplainsWhatTheClientCanDo(t *testing.T) {
	t.Parallel()
	tests := []struct {
		kind       Kind
		status     int
		retryAfter bool
	}{{OtherBody, 422, false}, {InProgress, 409, true}}
	for _, test := range tests {
		var rejection *problem.Error
		if err := (Outcome{Kind: test.kind}).Err(); !errors.As(err, &rejection) || rejection.Status != test.status || (rejection.RetryAfter > 0) != test.retryAfter {
			t.Errorf("kind %d: %#v", test.kind, err)
		}
	}
}

// once runs requests against a table of effects, one row per execution.
func once(t *testing.T, db *testkit.DB) (run func(ctx context.Context, request Request) (Response, bool, error), executions *atomic.Int64) {
	t.Helper()
	executions = new(atomic.Int64)
	o := Once{Do: func(ctx context.Context, fn func(pgx.Tx) error) error { return pgx.BeginFunc(ctx, db.Pool, fn) }}
	return func(ctx context.Context, request Request) (Response, bool, error) {
		return o.Run(ctx, request, func(pgx.Tx) (Response, error) {
			n := executions.Add(1)
			return Response{Status: 201, Body: fmt.Append(nil, "execution ", n)}, nil
		})
	}, executions
}

func TestOnce_AThousandTriesOfOneRequestExecuteItOnce(t *testing.T) {
	t.Parallel()
	db := database(t)
	run, executions := once(t, db)
	first := storm(t, run, 1000, requestOf(t, "k", "a"))
	if executions.Load() != 1 || first != 1 {
		t.Errorf("%d executions, %d first answers; want one of each", executions.Load(), first)
	}
}

// TestOnce_ATryAtTheMomentOfTheCommitIsAReplay makes that moment happen often. A key that is looked up before it
// is locked could be free in the snapshot and unlocked a moment later, and its request executed again.
func TestOnce_ATryAtTheMomentOfTheCommitIsAReplay(t *testing.T) {
	t.Parallel()
	db := database(t)
	for i := range 100 {
		run, executions := once(t, db)
		first := storm(t, run, 8, requestOf(t, fmt.Sprint("k", i), "a"))
		if executions.Load() != 1 || first != 1 {
			t.Errorf("%d executions, %d first answers; want one of each", executions.Load(), first)
		}
	}
}

// storm has many clients send one request until each has its answer, wants them all to get the same one, and
// returns how many responses were not replays.
func storm(t *testing.T, run func(context.Context, Request) (Response, bool, error), clients int, request Request) int64 {
	t.Helper()
	var first atomic.Int64
	group, ctx := errgroup.WithContext(t.Context())
	for range clients {
		group.Go(func() error {
			for {
				answer, replayed, err := run(ctx, request)
				var rejection *problem.Error
				if errors.As(err, &rejection) && rejection.Status == http.StatusConflict {
					continue // in progress: try again, as a client would
				}
				if err != nil {
					return err
				}
				if !replayed {
					first.Add(1)
				}
				if string(answer.Body) != "execution 1" {
					return fmt.Errorf("answer %q", answer.Body)
				}
				return nil
			}
		})
	}
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
	return first.Load()
}

func TestOnce_RefusedInputLeavesTheKeyFree(t *testing.T) {
	t.Parallel()
	db := database(t)
	o := Once{Do: func(ctx context.Context, fn func(pgx.Tx) error) error { return pgx.BeginFunc(ctx, db.Pool, fn) }}
	refused := problem.New(http.StatusUnprocessableEntity, "no such sku")
	for range 2 {
		_, replayed, err := o.Run(t.Context(), requestOf(t, "k", "a"), func(pgx.Tx) (Response, error) { return Response{}, refused })
		if !errors.Is(err, refused) || replayed {
			t.Errorf("replayed %v, %v", replayed, err)
		}
	}
	expect(t, begin(t, db, requestOf(t, "k", "corrected")), Fresh)
}
