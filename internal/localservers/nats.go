package localservers

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// NATSConfig says how to run a NATS server. Dir and Config are required.
type NATSConfig struct {
	Dir    string   // holds the configuration, the log and JetStream's files
	Port   int      // on 127.0.0.1; 0: a free one
	Config string   // the text of nats.conf; address, port and store directory are ours
	Env    []string // what the configuration refers to as $NAME, such as passwords
}

// NATS is a NATS server with JetStream that runs as our child process.
type NATS struct {
	*Process // of the last start
	config   NATSConfig
	binary   string
}

// StartNATS starts a server and returns when it accepts connections. JetStream is up by then: the server
// opens its port last.
func StartNATS(ctx context.Context, c NATSConfig) (*NATS, error) {
	binary, err := NATSServer(ctx)
	if err != nil {
		return nil, err
	}
	if c.Dir, err = filepath.Abs(c.Dir); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(c.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the broker's directory: %w", err)
	}
	n := &NATS{config: c, binary: binary}
	return n, onFreePort(&n.config.Port, func() error { return n.Start(ctx) })
}

// Start starts the server again, on the same port and with what it had stored, after [NATS.Stop] or
// [NATS.Kill].
func (n *NATS) Start(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	config := filepath.Join(n.config.Dir, "nats.conf")
	if err := os.WriteFile(config, []byte(n.config.Config), 0o600); err != nil {
		return fmt.Errorf("start the NATS server: %w", err)
	}
	process, output, err := launch(ctx, Command{
		Path: n.binary, Dir: n.config.Dir, Env: append(os.Environ(), n.config.Env...),
		Args: []string{"-c", config, "-a", "127.0.0.1", "-p", strconv.Itoa(n.config.Port), "-sd", n.config.Dir},
	}, filepath.Join(n.config.Dir, "nats.log"), n.greets)
	if err != nil {
		return fmt.Errorf("start the NATS server on port %d: %w", n.config.Port, complaint(output, err))
	}
	n.Process = process
	return nil
}

// greets checks that what listens on the port is a NATS server.
func (n *NATS) greets(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", n.address())
	if err != nil {
		return err
	}
	defer conn.Close()
	deadline, _ := ctx.Deadline()
	if err := conn.SetReadDeadline(deadline); err != nil {
		return err
	}
	line, err := bufio.NewReader(conn).ReadString('\n')
	if err == nil && !strings.HasPrefix(line, "INFO ") {
		err = errors.New("something that is not a NATS server answers")
	}
	return err
}

// URL is the server's address with a user and password.
func (n *NATS) URL(user, password string) string {
	return fmt.Sprintf("nats://%s:%s@%s", user, password, n.address())
}

func (n *NATS) address() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(n.config.Port)) }

// Stop ends the server cleanly.
func (n *NATS) Stop(ctx context.Context) error {
	return n.stop(ctx, syscall.SIGTERM, 10*time.Second)
}

// Kill ends the server by SIGKILL.
func (n *NATS) Kill() { n.Process.Kill() }

// Wipe removes everything that the stopped server had stored, as a lost volume would.
func (n *NATS) Wipe() error {
	if n.Running() {
		return errors.New("the NATS server is running")
	}
	return os.RemoveAll(n.Store())
}

// Store is the directory in which JetStream keeps its files.
func (n *NATS) Store() string { return filepath.Join(n.config.Dir, "jetstream") }
