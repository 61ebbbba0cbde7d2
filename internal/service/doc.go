// Package service is what every service of the system has in common around its own subject: where its
// configuration comes from, how it opens its database and its broker, how it is served, how it reports
// health, and how it ends.
//
// A service is three steps, the same in production and in tests:
//
//	func Run(ctx context.Context, c service.Config) error {
//		app, err := service.Open(ctx, c, migrations)   // wait for Postgres and NATS, migrate
//		…
//		return app.Serve(ctx, service.Parts{…})         // run until ctx ends, then drain
//	}
//
// The HTTP listener answers from the first moment: until Serve is reached /healthz is 200, /readyz is
// 503 with the reason, and everything else asks the client to come back.
package service
