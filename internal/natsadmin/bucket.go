package natsadmin

import "github.com/nats-io/nats.go/jetstream"

// Schemas is the bucket of the broker's key-value store in which the schema registry keeps what it knows.
const Schemas = "schemas"

// schemaStream is the stream behind that bucket, as the key-value store calls it.
const schemaStream = "KV_" + Schemas

// MaxSchema is how many bytes a schema may have with its references, as JSON. Its entry has to pass the broker.
const MaxSchema = 48 << 10

// bucketSettings is the given configuration with everything that matters set: what makes a stream a bucket
// that keeps the last value of each key. There is no age; what was registered stays.
func bucketSettings(c jetstream.StreamConfig) jetstream.StreamConfig {
	c.Name = schemaStream
	c.Description = "Every version of the events' schemas; see the schema registry."
	c.Subjects = []string{"$KV." + Schemas + ".>"}
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
