// Package failpoint makes things go wrong on purpose, at named points of the code: the process dies as by
// SIGKILL, a step returns an error, an answer comes late, a message goes out twice, or everything stops
// there until it is released. It is how the project shows that nothing is lost whatever happens.
//
// The points stand in points.go. Code passes one with
//
//	if err := faults.At(ctx, fault.InboxBeforeCommit, orderID); err != nil {
//		return err
//	}
//
// which does nothing, and costs one atomic load, unless something is armed. Faults are armed in the
// environment, for what should happen from the start on, or over HTTP (see [Handler]):
//
//	FAULTS="inbox.before_commit=crash;order=0193…;times=2, gateway.before_charge=delay:3s;percent=10"
//
// Faults are separated by commas. Each is point=kind, the kind with its argument where it has one, and then
// options, each after a semicolon:
//
//	crash             the process kills itself; no deferred function runs, nothing is flushed
//	error[:text]      At returns an error
//	delay:duration    At takes that much longer
//	duplicate         Duplicate returns true: the caller publishes or delivers once more
//	hold              At waits until released, expired, or its context ends
//
//	order=id          only for this order; without, for any
//	times=n           fires n times, then never again; 1 without, 0 for any number
//	percent=n         fires in n of 100 cases; 100 without
//	for=duration      is disarmed after that long; never without
//
// What fires is first written as one JSON line to the file that FAULTS_LOG names, so that even a crash can
// be distinguished from another death of the process. The file also makes times hold over restarts: a
// process that finds there that a fault of its environment has fired its times does not arm it again, or
// it would crash for ever. So every process needs a file of its own.
package failpoint
