package wrong

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
)

// Secret is the way behind a number. It stays the same one, whatever others are added, unless one of those is it.
func Secret(ways []Way, n int) Way {
	rank := func(w Way) []byte { sum := sha256.Sum256([]byte(strconv.Itoa(n) + " " + w.Name)); return sum[:] }
	return slices.MaxFunc(ways, func(a, b Way) int { return bytes.Compare(rank(a), rank(b)) })
}

// sealed is the file in a system's folder by which a guess is checked.
const sealed = "wrong-way"

func (w Way) seal() string {
	sum := sha256.Sum256([]byte(w.Page))
	return hex.EncodeToString(sum[:])
}

// Seal notes in the folder of a system that it was built this way, and does not name it.
func (w Way) Seal(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("make the folder: %w", err)
	}
	return os.WriteFile(filepath.Join(dir, sealed), []byte(w.seal()), 0o600)
}

// ErrNotSealed means that a system was not started by its secret number.
var ErrNotSealed = errors.New("no system with a secret runs here")

// Unseal is the way in which the system of a folder was built.
func Unseal(ways []Way, dir string) (Way, error) {
	seal, err := os.ReadFile(filepath.Join(dir, sealed))
	at := slices.IndexFunc(ways, func(w Way) bool { return w.seal() == string(seal) })
	switch {
	case errors.Is(err, fs.ErrNotExist), err == nil && at < 0:
		return Way{}, fmt.Errorf("%w: %s", ErrNotSealed, dir)
	case err != nil:
		return Way{}, fmt.Errorf("read the secret: %w", err)
	}
	return ways[at], nil
}

// Fire fires the way's trigger at the system of a folder, and returns what it prints.
func (w Way) Fire(ctx context.Context, root, dir string) (string, error) {
	return block(ctx, root, dir, w.Trigger)
}
