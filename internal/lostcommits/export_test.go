package lostcommits

import "context"

// Round is what [Guard.Run] repeats.
func (g *Guard) Round(ctx context.Context) error { return g.round(ctx) }

// Looked has a look been made: the database counts so many, and everything up to the floor was handled.
func (g *Guard) Looked(ctx context.Context, looks int64, floor uint64) error {
	now, err := g.shelf.stand(ctx)
	if err != nil {
		return err
	}
	if _, err := g.pool.Exec(ctx, `UPDATE database_look SET n = $1`, looks); err != nil {
		return err
	}
	known := *g.known.Load()
	known.Looks = looks
	return g.accept(ctx, known, stand{looks, floor, now.Created})
}

// Floor is up to where everything is handled.
func (g *Guard) Floor(ctx context.Context) (uint64, error) {
	now, err := g.shelf.stand(ctx)
	return now.Floor, err
}

// Keep changes which database the broker knows.
func (g *Guard) Keep(ctx context.Context, change func(*Identity)) error {
	change(&g.record.Identity)
	return g.shelf.store(ctx, g.record)
}
