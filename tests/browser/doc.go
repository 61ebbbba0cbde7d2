// Package browser uses the console as people do, in a real browser over the real system: `make test-browser`. It
// keeps a picture of what it saw; axe-core (from npm, see the Makefile) looks whether everybody could have seen it.
package browser
