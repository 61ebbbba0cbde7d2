// Package compose holds the tests of the containers, behind the build tag compose: `make test-compose`.
package compose
