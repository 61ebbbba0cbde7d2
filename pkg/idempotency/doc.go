// Package idempotency makes a request that is sent twice happen once.
//
// A client that got no answer cannot know whether its request was executed. It sends the request again
// under the same Idempotency-Key, and the server looks the key up before it does anything:
//
//	never seen              → [Fresh]: execute it and store the answer, in one transaction
//	answered before         → [Replay]: the stored answer again, byte for byte, Idempotency-Replayed: true
//	answered, another body  → [OtherBody]: 422, since one key cannot stand for two wishes
//	executing right now     → [InProgress]: 409 with Retry-After; nobody waits inside the database
//
// The header follows the expired IETF draft (draft-ietf-httpapi-idempotency-key-header-07), which wants
// a structured-field string ("8e03978e", with quotes). Most clients send the bare token, so both are
// read, and both name the same key.
//
// # How one key is kept to one execution
//
// [Begin] takes an advisory lock per key for the length of the transaction, without waiting, and then
// reads the stored answers with a second statement. The order matters: a snapshot taken before the lock
// could miss an answer that was committed in between. The primary key on (scope, key) is the last word:
// an answer that exists already makes [Finish] fail and the transaction with it.
//
// # What is stored
//
// Only what would be the same again: success, or a refusal on the merits. Refused input (400, 413, 415,
// 422) executed nothing, and a 5xx is not an answer; both leave the key free. An answer is kept until it expires,
// and then the key may be used anew.
//
// # One transaction or two
//
// Most work is one transaction: [Begin], the work, [Finish]; see [Once], or the order service, which
// handles everything that waited together in one. Work that talks to the outside world in between cannot
// hold a transaction open. It commits a [Claim] first, which answers InProgress for it until its lease ends,
// and whoever takes over then goes on from the recovery point that the first one reached ([Advance]).
package idempotency
