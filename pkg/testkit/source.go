package testkit

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/moby/moby/client"
	"github.com/testcontainers/testcontainers-go"
)

// source is one way to come by a server.
type source[T any] struct {
	name  string // as TESTKIT names it
	start func(context.Context) (T, error)
}

// errNotOffered says that a source has nothing here, and the next one may be tried. Any other error of the
// environment's source is final: who names a server wants that one.
type notOffered struct{ reason string }

func (e notOffered) Error() string { return e.reason }

// first starts what the first source offers that can. The error tells what each of them said.
func first[T any](ctx context.Context, what string, sources ...source[T]) (T, error) {
	var none T
	forced := os.Getenv("TESTKIT")
	var reasons []string
	for _, s := range sources {
		if forced != "" && forced != s.name {
			continue
		}
		server, err := s.start(ctx)
		if err == nil {
			return server, nil
		}
		reasons = append(reasons, s.name+": "+oneLine(err))
		if s.name == "env" && !errors.As(err, new(notOffered)) {
			break
		}
	}
	if len(reasons) == 0 {
		return none, fmt.Errorf("no %s for tests: TESTKIT is %q, which is none of env, docker, local", what, forced)
	}
	return none, fmt.Errorf("no %s for tests: %s", what, strings.Join(reasons, "; "))
}

func oneLine(err error) string { return strings.Join(strings.Fields(err.Error()), " ") }

// dockerAnswers finds out quickly whether there is a Docker daemon. A DOCKER_HOST that does not answer is not
// made up for by another daemon: who names one means that one.
func dockerAnswers(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	docker, err := dockerClient(ctx)
	if err == nil {
		_, err = docker.Ping(ctx, client.PingOptions{})
		err = errors.Join(err, docker.Close())
	}
	if err != nil {
		return notOffered{"no Docker daemon answers"}
	}
	process.docker.Store(true)
	return nil
}

func dockerClient(ctx context.Context) (client.APIClient, error) {
	if os.Getenv(client.EnvOverrideHost) != "" {
		return client.New(client.FromEnv)
	}
	return testcontainers.NewDockerClientWithOpts(ctx)
}
