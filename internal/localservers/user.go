package localservers

import (
	"errors"
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
)

// User is somebody to run a child process as.
type User struct {
	Name     string
	UID, GID int
}

// Unprivileged is who a server is run as: nil, which means ourselves, unless we are root. PostgreSQL
// refuses root, and nothing here needs it, so as root it is the user postgres, or else nobody.
func Unprivileged() (*User, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		found, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, uidErr := strconv.Atoi(found.Uid)
		gid, gidErr := strconv.Atoi(found.Gid)
		if err := errors.Join(uidErr, gidErr); err != nil {
			return nil, fmt.Errorf("user %s: %w", name, err)
		}
		return &User{name, uid, gid}, nil
	}
	return nil, errors.New("PostgreSQL refuses to run as root, and there is no user postgres or nobody to run it as")
}

func (u *User) credential() *syscall.Credential {
	if u == nil {
		return nil
	}
	return &syscall.Credential{Uid: uint32(u.UID), Gid: uint32(u.GID)}
}

// own makes a directory that belongs to the user and that nobody else can read. The user can pass
// through the directories above it that had to be made.
func (u *User) own(dir string) error {
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return err
	}
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, os.ErrExist) {
		return err
	}
	if u == nil {
		return nil
	}
	return os.Chown(dir, u.UID, u.GID)
}

// reaches reports whether the user may pass through every directory above dir. The nearest one that
// closes the way is named in the error.
func (u *User) reaches(dir string) error {
	if u == nil {
		return nil
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return err
	}
	for parent := filepath.Dir(dir); ; parent = filepath.Dir(parent) {
		info, err := os.Stat(parent)
		switch {
		case errors.Is(err, os.ErrNotExist): // will be made by us
		case err != nil:
			return err
		case info.Mode().Perm()&0o001 == 0:
			return fmt.Errorf("the directory %s is closed to the user %s, who has to run the server", parent, u.Name)
		}
		if parent == filepath.Dir(parent) {
			return nil
		}
	}
}

// DataRoot is a directory under which servers can keep their data: the wanted one where the user who
// runs them can get there, else a new one among the temporary files.
func DataRoot(wanted string) (string, error) {
	u, err := Unprivileged()
	if err != nil {
		return "", err
	}
	if wanted != "" && u.reaches(wanted) == nil {
		return wanted, os.MkdirAll(wanted, 0o755)
	}
	for _, temp := range []string{os.TempDir(), "/var/tmp", "/tmp"} {
		dir, err := os.MkdirTemp(temp, "ordersaga-")
		if err != nil {
			continue
		}
		if os.Chmod(dir, 0o711) == nil && u.reaches(filepath.Join(dir, "data")) == nil {
			return dir, nil
		}
		_ = os.Remove(dir)
	}
	return "", errors.New("there is no directory in which an unprivileged user could keep a database; set TMPDIR to one")
}
