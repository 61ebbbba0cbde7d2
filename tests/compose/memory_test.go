//go:build compose

package compose

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"example.com/ordersaga/apps/system/client"
	"example.com/ordersaga/tests/kit"
)

// mostMemory is how much anonymous memory all containers may have together.
const mostMemory = 320 << 20

// liveSaga has the console show the first saga, and logs how long that took since `up` was asked for.
func liveSaga(t *testing.T, w *containers) {
	id := w.Place(t, client.One("widget", 1))
	kit.Eventually(t, "the console to show the saga", func() error {
		var shown struct{ Rows []json.RawMessage }
		if err := w.console(t, "/api/sagas/"+id+"/rows", &shown); err != nil {
			return err
		}
		if len(shown.Rows) == 0 {
			return errors.New("it shows nothing of it")
		}
		return nil
	})
	w.firstSaga = time.Now()
	t.Logf("the console shows a saga %v after up, with the images there", time.Since(w.began).Round(time.Second))
}

// littleMemory: within a minute after the first saga all containers have as little memory as they may.
func littleMemory(t *testing.T, w *containers) {
	kit.Eventually(t, "the containers to have little memory", func() error {
		sum := w.anonymous(t)
		t.Logf("%d MiB of anonymous memory, %v after the first saga", sum>>20, time.Since(w.firstSaga).Round(time.Second))
		if sum > mostMemory {
			return fmt.Errorf("they have %d MiB, more than %d", sum>>20, mostMemory>>20)
		}
		return nil
	})
}

// anonymous is how many bytes of anonymous memory all containers have together. It reads what Linux keeps for each, from a
// container that sees all of them: both layouts of control groups, and both of Docker's names in them.
func (w *containers) anonymous(t *testing.T) (sum int64) {
	t.Helper()
	const read = `for id; do
		for group in /groups/memory/docker/$id /groups/docker/$id /groups/system.slice/docker-$id.scope; do
			[ -r $group/memory.stat ] && awk '$1 == "anon" || $1 == "total_rss" { print $2 }' $group/memory.stat
		done
	done
	true`
	ids := strings.Fields(docker(t, "ps", "--quiet", "--no-trunc", "--filter", "label=com.docker.compose.project="+w.project))
	numbers := strings.Fields(docker(t, slices.Concat([]string{"run", "--rm", "--network=none", "--volume=/sys/fs/cgroup:/groups:ro",
		"--entrypoint=bash", "postgres:17", "-c", read, "bash"}, ids)...))
	if len(numbers) != len(ids) || len(ids) < 15 {
		t.Fatalf("of %d containers the memory of %d is known", len(ids), len(numbers))
	}
	for _, number := range numbers {
		bytes, err := strconv.ParseInt(number, 10, 64)
		kit.Must(t, err)
		sum += bytes
	}
	return sum
}
