package binaries

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
)

// projectFile marks the root of the repository; projectName in it tells ours from other kubebuilder projects.
const (
	projectFile = "PROJECT"
	projectName = "karpenter-upgrade-operator"
)

// FindRoot returns the root directory of the repository: the nearest directory at or above start that has the PROJECT
// file of this project. With an empty start it looks from the working directory and then from where this source file
// was compiled, which serves tests that are run from elsewhere.
func FindRoot(start string) (string, error) {
	starts := []string{start}
	if start == "" {
		starts = starts[:0]
		if wd, err := os.Getwd(); err == nil {
			starts = append(starts, wd)
		}
		if _, file, _, ok := runtime.Caller(0); ok && filepath.IsAbs(file) {
			starts = append(starts, filepath.Dir(file))
		}
	}
	for _, s := range starts {
		if root, ok := rootAbove(s); ok {
			return root, nil
		}
	}
	return "", errors.New("the repository was not found: no PROJECT file of " + projectName + " at or above " +
		strings.Join(starts, " or ") + "; run this inside a clone of the repository")
}

func rootAbove(dir string) (string, bool) {
	for {
		if isProject(filepath.Join(dir, projectFile)) {
			return dir, true
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", false
		}
		dir = parent
	}
}

func isProject(path string) bool {
	f, err := os.Open(path)
	if err != nil {
		return false
	}
	defer f.Close()
	for s := bufio.NewScanner(f); s.Scan(); {
		if strings.TrimSpace(s.Text()) == "projectName: "+projectName {
			return true
		}
	}
	return false
}

// CacheRoot returns the directory below which builds and sandboxes are kept: karpenter-upgrade-operator in the user's
// cache directory (XDG_CACHE_HOME, else ~/.cache). It is not created.
func CacheRoot() (string, error) {
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("finding the user's cache directory (set HOME or XDG_CACHE_HOME): %w", err)
	}
	return filepath.Join(dir, projectName), nil
}
