// Package postgres opens connections to PostgreSQL that are given up when their server is of no use any more: it hangs,
// is gone, has become a standby, or shuts down. Every program of the system opens its connections here.
//
// Several hosts in a URL are tried in their order, each for as long as connect_timeout:
//
//	postgres://user:password@one:5432,two:5432/order?target_session_attrs=read-write
package postgres
