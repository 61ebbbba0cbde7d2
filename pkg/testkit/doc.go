// Package testkit gives tests the real thing: a PostgreSQL database of their own and a NATS server with
// JetStream of their own, with the logins and the limits that they have in production.
//
// A package whose tests use it says so once:
//
//	func TestMain(m *testing.M) { testkit.Main(m) }
//
// and a test asks for what it needs:
//
//	db := testkit.Database(t, events.Inventory, testkit.Migration{Table: "goose_db_version", FS: migrations})
//	broker := testkit.Broker(t)
//
// # Where they come from
//
// PostgreSQL and NATS are taken, in this order, from
//
//   - env: the servers that TEST_DATABASE_URL (a superuser of a server that is there for tests) and
//     TEST_NATS_URL name. Only one test at a time can have that one broker; others wait for it, in this
//     process and in others.
//   - docker: containers of postgres:17 and nats:2.15-alpine, when a Docker daemon answers at once.
//   - local: the machine's own binaries, as package local finds them.
//
// TESTKIT=env, TESTKIT=docker or TESTKIT=local allows that one only, which makes a run repeatable. A test
// never skips for want of them: it fails, with a sentence that says what was tried.
//
// There is one PostgreSQL server per test process, started when the first test asks. Its databases are
// copies of a template that was migrated once, so a fresh one costs tens of milliseconds. It does not
// fsync: what these tests show about crashes, they show about processes and not about power losses.
package testkit
