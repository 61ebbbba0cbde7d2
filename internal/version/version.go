// Package version is which ordersaga this is.
package version

import (
	"runtime"

	"github.com/prometheus/client_golang/prometheus"
)

// Number is the last version in CHANGELOG.md (https://semver.org); a test compares them.
const Number = "0.1.0"

// revision is the commit that the programs were built from; the linker sets it (see Makefile). A build without a
// repository, as in a container, has none.
var revision = "unknown"

// String is for people: "0.1.0 (commit 1a2b3c4d5e6f, go1.26.0 linux/amd64)".
func String() string {
	return Number + " (commit " + revision + ", " + runtime.Version() + " " + runtime.GOOS + "/" + runtime.GOARCH + ")"
}

// Collector shows it in a process's metrics, as ordersaga_build_info.
func Collector() prometheus.Collector {
	return prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "ordersaga_build_info", Help: "Which build this process runs; always 1.",
		ConstLabels: prometheus.Labels{"version": Number, "revision": revision, "goversion": runtime.Version()},
	}, func() float64 { return 1 })
}
