// Package bundle packs a backup into bytes that fit into Secrets, and reads it back. It is pure.
package bundle

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// ChunkSize is how many bytes of a bundle one Secret holds: a Secret may have 1 MiB, encoded and with its metadata.
const ChunkSize = 900 << 10

// maxFile bounds one file when a bundle is read, so that a corrupt one cannot eat the memory.
const maxFile = 64 << 20

// File is one file of a bundle.
type File struct {
	// Name is a path such as nodepools.karpenter.sh/v1/general.json.
	Name string
	Data []byte
}

// Pack packs files into a gzipped tar archive. The same files give the same bytes.
func Pack(files []File) ([]byte, error) {
	sorted := slices.Clone(files)
	slices.SortFunc(sorted, func(a, b File) int { return strings.Compare(a.Name, b.Name) })
	var buf bytes.Buffer
	zip, err := gzip.NewWriterLevel(&buf, gzip.BestCompression)
	if err != nil {
		return nil, fmt.Errorf("packing the backup: %w", err)
	}
	archive := tar.NewWriter(zip)
	for _, f := range sorted {
		if err := archive.WriteHeader(&tar.Header{Name: f.Name, Mode: 0o600, Size: int64(len(f.Data)), Format: tar.FormatPAX}); err != nil {
			return nil, fmt.Errorf("packing %s: %w", f.Name, err)
		}
		if _, err := archive.Write(f.Data); err != nil {
			return nil, fmt.Errorf("packing %s: %w", f.Name, err)
		}
	}
	if err := errors.Join(archive.Close(), zip.Close()); err != nil {
		return nil, fmt.Errorf("packing the backup: %w", err)
	}
	return buf.Bytes(), nil
}

// Unpack reads what Pack wrote.
func Unpack(data []byte) ([]File, error) {
	zip, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		return nil, fmt.Errorf("unpacking the backup: %w", err)
	}
	archive := tar.NewReader(zip)
	var out []File
	for {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil {
			return nil, fmt.Errorf("unpacking the backup: %w", err)
		}
		content, err := io.ReadAll(io.LimitReader(archive, maxFile))
		if err != nil {
			return nil, fmt.Errorf("unpacking %s: %w", header.Name, err)
		}
		out = append(out, File{Name: header.Name, Data: content})
	}
}

// Digest identifies bytes: sha256:hex.
func Digest(data []byte) string {
	sum := sha256.Sum256(data)
	return "sha256:" + hex.EncodeToString(sum[:])
}

// Split cuts bytes into chunks of at most size.
func Split(data []byte, size int) [][]byte {
	return slices.Collect(slices.Chunk(data, size))
}

// Join puts chunks together and verifies their digest.
func Join(chunks [][]byte, digest string) ([]byte, error) {
	data := bytes.Join(chunks, nil)
	if got := Digest(data); got != digest {
		return nil, fmt.Errorf("the backup is damaged: its digest is %s, and was %s when it was written", got, digest)
	}
	return data, nil
}
