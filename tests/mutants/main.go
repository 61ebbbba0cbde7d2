// Command mutants proves that the proof bites: it takes the guards of the protocol away, one at a time,
// from the real source, and expects a test to turn red. A mutant that no test notices fails the run.
//
// The source is not touched: every mutant is an overlay for the compiler (go test -overlay).
//
//	go run ./mutants [-list] [NAME-PART …]
//
// With parts of names, only the mutants whose name, file or test contains one of them.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"time"
)

// limit is how long a test may take to notice what is missing.
const limit = 60 * time.Second

func main() {
	list := flag.Bool("list", false, "print the mutants and end")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, flag.Args(), *list); err != nil {
		fmt.Fprintf(os.Stderr, "mutants: %v\n", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, parts []string, list bool) error {
	root, err := workspaceRoot(ctx)
	if err != nil {
		return err
	}
	var killed, survived, broken []string
	for _, m := range mutants {
		if !m.matches(parts) {
			continue
		}
		if list {
			fmt.Printf("%-45s %s\n", m.name, m.file)
			continue
		}
		started := time.Now()
		verdict, err := m.try(ctx, root)
		fmt.Printf("%-9s %-45s %5.1fs  %s\n", verdict, m.name, time.Since(started).Seconds(), m.test)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil:
			fmt.Println(err)
			broken = append(broken, m.name)
		case verdict == dead:
			killed = append(killed, m.name)
		default:
			survived = append(survived, m.name)
		}
	}
	if list {
		return nil
	}
	fmt.Printf("\n%d mutants killed, %d survived, %d could not be judged\n", len(killed), len(survived), len(broken))
	if len(survived)+len(broken) > 0 || len(killed) == 0 {
		return fmt.Errorf("survivors: %q, not judged: %q", survived, broken)
	}
	return nil
}
