// Command console runs mission control in the browser; see package console.
package main

import (
	"example.com/ordersaga/apps/internal/console"
	"example.com/ordersaga/apps/internal/process"
)

func main() { process.Main("console", console.Run) }
