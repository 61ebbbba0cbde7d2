package localservers

// Wait waits for the server's end and says how it ended; nil means exit code 0.
func (p *Postgres) Wait() error { return p.process.Wait() }

// Wait waits for the server's end and says how it ended; nil means exit code 0.
func (n *NATS) Wait() error { return n.process.Wait() }
