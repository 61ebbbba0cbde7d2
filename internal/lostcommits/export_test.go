package lostcommits

import "context"

// Round is what [Guard.Run] repeats.
func (g *Guard) Round(ctx context.Context) error { return g.round(ctx) }

// Beaten is behind a heartbeat: the database counts so many, and everything up to the floor was handled.
func (g *Guard) Beaten(ctx context.Context, heartbeats int64, floor uint64) error {
	now, err := g.bucket.checkpoint(ctx)
	if err != nil {
		return err
	}
	if _, err := g.pool.Exec(ctx, `UPDATE database_heartbeat SET n = $1`, heartbeats); err != nil {
		return err
	}
	known := *g.known.Load()
	known.Heartbeats = heartbeats
	return g.accept(ctx, known, checkpoint{heartbeats, floor, now.Created})
}

// Floor is up to where everything is handled.
func (g *Guard) Floor(ctx context.Context) (uint64, error) {
	now, err := g.bucket.checkpoint(ctx)
	return now.Floor, err
}

// Keep changes which database the broker knows.
func (g *Guard) Keep(ctx context.Context, change func(*Identity)) error {
	change(&g.record.Identity)
	return g.bucket.store(ctx, g.record)
}
