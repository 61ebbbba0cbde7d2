package main

// mutants are the guards of the protocol and of the mailbox, each taken away from the real source.
var mutants = []mutant{}
