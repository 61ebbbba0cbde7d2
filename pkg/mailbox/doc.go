// Package mailbox is how the services of the saga talk without ever calling each other: an outbox, a relay
// and an inbox, each in the service's own database.
package mailbox
