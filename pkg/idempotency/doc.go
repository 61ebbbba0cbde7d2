// Package idempotency makes a request that is sent twice happen once.
//
// A client that got no response cannot know whether its request was executed. It retries
// with the same Idempotency-Key, and the server looks the key up before it does anything:
//
//	new key                 → [Fresh]: execute the request and store the response, in one transaction
//	executed before         → [Replay]: the stored response, byte for byte, with Idempotency-Replayed: true
//	executed, another body  → [OtherBody]: 422, since one key cannot stand for two requests
//	being executed          → [InProgress]: 409 with Retry-After; no request waits inside the database
//
// The header follows the expired IETF draft (draft-ietf-httpapi-idempotency-key-header-07), which wants
// a structured-field string ("8e03978e", with quotes). Most clients send the bare token, so both are
// read, and both name the same key.
//
// # How one key is kept to one execution
//
// [Begin] takes an advisory lock per key for the length of the transaction, without waiting, and then
// reads the stored responses with a second statement. The order matters: a snapshot taken before the lock
// could miss a response that was committed in between. The primary key on (scope, key) is the last guard:
// a response that exists already makes [Finish] fail and the transaction with it.
//
// # What is stored
//
// Only what would be the same for a retry: success, or a refusal by the business rules. Refused input (400, 413, 415,
// 422) executed nothing, and a 5xx is not final; both leave the key free. A response is kept until it expires,
// and then the key may be used anew.
//
// # One transaction or two
//
// Most work is one transaction: [Begin], the work, [Finish]; see [Once]. Begin and Finish take many requests, for
// a server that commits them in groups. Work that calls another system in between must not
// hold a transaction open. It commits a [Claim] first: the request is InProgress until the claim's lease ends,
// and a request that takes over then continues from the recovery point that the first one reached ([Advance]).
package idempotency
