// Package chaos runs the whole system under load while a seeded schedule breaks it: services are killed and
// paused, the broker is killed, cut off and wiped, databases lose their connections, wires are cut, held and
// slowed, messages are doubled and delayed, the card gateway misbehaves. Then everything is healed, the
// system comes to rest, and every invariant is verified.
//
//	make chaos SEED=1 MINUTES=3
//
// The seed decides which disaster comes when, and to whom; what the machine makes of it differs from run to run.
package chaos
