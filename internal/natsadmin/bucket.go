package natsadmin

import "github.com/nats-io/nats.go/jetstream"

// Schemas is the bucket of the broker's key-value store in which the schema registry keeps what it knows.
const Schemas = "schemas"

// Databases is the bucket in which each service keeps which database it works with, and how far that was: where the
// loss of the database does not take it. See package lostcommits.
const Databases = "databases"

// The streams behind these buckets, as the key-value store calls them.
const (
	schemaStream   = "KV_" + Schemas
	databaseStream = "KV_" + Databases
)

// MaxSchema is how many bytes a schema may have with its references, as JSON. Its entry has to pass the broker.
const MaxSchema = 48 << 10

// schemaSettings are those of the bucket of schemas.
func schemaSettings(c jetstream.StreamConfig) jetstream.StreamConfig {
	c.Description = "Every version of the events' schemas; see the schema registry."
	return bucketSettings(c, Schemas)
}

// databaseSettings are those of the bucket of databases.
func databaseSettings(c jetstream.StreamConfig) jetstream.StreamConfig {
	c.Description = "Which database each service works with, and how far that was."
	return bucketSettings(c, Databases)
}

// bucketSettings is the given configuration with everything that matters set: what makes a stream a bucket
// that keeps the last value of each key. There is no age; what was registered stays.
func bucketSettings(c jetstream.StreamConfig, name string) jetstream.StreamConfig {
	c.Name = "KV_" + name
	c.Subjects = []string{"$KV." + name + ".>"}
	c.Storage = jetstream.FileStorage
	c.MaxMsgsPerSubject = 1
	c.MaxBytes = max(c.MaxBytes, 64<<20) // some thousand versions; an operator may have enlarged it
	c.MaxMsgSize = maxPayload
	c.Discard = jetstream.DiscardNew
	c.DenyDelete = true
	c.AllowRollup = true
	c.AllowDirect = false // a replica may lag: who has registered a schema must find it at once
	c.Replicas = max(1, c.Replicas)
	return c
}
