// Command rename gives the repository's Go modules another path, wherever it is written: in go.mod files, imports,
// linter rules, Makefile, Dockerfile, contracts and documentation. `make module` calls it and generates anew what
// holds the path in another form.
package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"golang.org/x/mod/modfile"
	"golang.org/x/mod/module"
)

func main() {
	if err := rename("..", strings.Join(os.Args[1:], " ")); err != nil {
		fmt.Fprintln(os.Stderr, "rename:", err)
		os.Exit(1)
	}
}

// rename replaces the path in every file that belongs to the repository. Where the new one is no module path it returns
// a sentence, and has changed nothing.
func rename(root, to string) error {
	if err := module.CheckPath(to); err != nil {
		return fmt.Errorf("give a module path like MODULE=github.com/you/saga: %w", err)
	}
	from, err := current(root)
	if err != nil {
		return err
	}
	git := exec.Command("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
	git.Dir = root
	files, err := git.Output()
	if err != nil {
		return fmt.Errorf("list the repository's files: %w", err)
	}
	for name := range strings.SplitSeq(strings.TrimSuffix(string(files), "\x00"), "\x00") {
		if err := rewrite(filepath.Join(root, name), from, to); err != nil {
			return err
		}
	}
	return nil
}

// current is what all modules begin with: that of pkg without its last element.
func current(root string) (string, error) {
	text, err := os.ReadFile(filepath.Join(root, "pkg", "go.mod"))
	if err != nil {
		return "", err
	}
	path, is := strings.CutSuffix(modfile.ModulePath(text), "/pkg")
	if !is {
		return "", errors.New("pkg/go.mod does not name a module that ends in /pkg")
	}
	return path, nil
}

func rewrite(name, from, to string) error {
	info, err := os.Lstat(name)
	if errors.Is(err, os.ErrNotExist) || err == nil && !info.Mode().IsRegular() { // deleted, or a link
		return nil
	}
	text, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	changed := replace(text, from, to)
	if bytes.Equal(text, changed) {
		return nil
	}
	return os.WriteFile(name, changed, info.Mode())
}

// replace replaces the path where it is whole: not within a longer name.
func replace(text []byte, from, to string) []byte {
	var b bytes.Buffer
	for i := 0; ; {
		n := bytes.Index(text[i:], []byte(from))
		if n < 0 {
			b.Write(text[i:])
			return b.Bytes()
		}
		at, end := i+n, i+n+len(from)
		b.Write(text[i:at])
		if at > 0 && inName(text[at-1]) || end < len(text) && inName(text[end]) {
			b.WriteString(from)
		} else {
			b.WriteString(to)
		}
		i = end
	}
}

// inName is whether a letter continues an element of a path.
func inName(c byte) bool {
	return c == '-' || c == '_' || c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'z'
}
