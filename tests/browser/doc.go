// Package browser uses the console as people do, in a real browser over the real system: `make test-browser`. It
// takes pictures; axe-core (from npm, see the Makefile) checks that people with disabilities can use the pages.
package browser
