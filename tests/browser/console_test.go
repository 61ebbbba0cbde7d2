//go:build browser

package browser

import (
	"cmp"
	"fmt"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"example.com/ordersaga/apps/system/endpoints"
	"example.com/ordersaga/internal/localservers"
	"example.com/ordersaga/tests/kit"
)

// startConsole starts another console than the system's own; it ends with the test. It knows the given endpoints only.
func startConsole(t *testing.T, at endpoints.Description) (url string) {
	t.Helper()
	port, err := localservers.FreePort()
	kit.Must(t, err)
	address := fmt.Sprintf("127.0.0.1:%d", port)
	command := exec.Command(filepath.Join(cmp.Or(os.Getenv("ORDERSAGA_BIN"), "../../bin"), "console"))
	command.Env = []string{"HTTP_ADDR=" + address, "ORDERSAGA_NATS=" + at.NATS, "ORDERSAGA_ADMIN_TOKEN=" + at.AdminToken}
	for suffix, addresses := range map[string]map[string]string{"_URL": at.URLs, "_ADMIN": at.Admin, "_DATABASE": at.Databases} {
		for name, address := range maps.All(addresses) {
			command.Env = append(command.Env, "ORDERSAGA_"+strings.ToUpper(name)+suffix+"="+address)
		}
	}
	command.Stderr = os.Stderr
	kit.Must(t, command.Start())
	t.Cleanup(func() {
		kit.Must(t, command.Process.Signal(syscall.SIGTERM))
		kit.Must(t, command.Wait())
	})
	kit.Eventually(t, "the other console to answer", func() error {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+address+"/", http.NoBody)
		if err != nil {
			return err
		}
		response, err := http.DefaultClient.Do(request)
		if err == nil {
			err = response.Body.Close()
		}
		return err
	})
	return "http://" + address
}
