package bundle

import (
	"bytes"
	"math/rand/v2"
	"testing"

	. "github.com/onsi/gomega"
)

func TestRoundTrip(t *testing.T) {
	g := NewWithT(t)
	noise := make([]byte, 3*ChunkSize)
	source := rand.NewChaCha8([32]byte{1})
	_, err := source.Read(noise)
	g.Expect(err).NotTo(HaveOccurred())
	files := []File{{"b/2.json", noise}, {"a/1.json", []byte("{}")}, {"empty", []byte{}}}

	packed, err := Pack(files)
	g.Expect(err).NotTo(HaveOccurred())
	chunks := Split(packed, ChunkSize)
	g.Expect(len(chunks)).To(BeNumerically(">", 2))
	for _, c := range chunks {
		g.Expect(len(c)).To(BeNumerically("<=", ChunkSize))
	}

	joined, err := Join(chunks, Digest(packed))
	g.Expect(err).NotTo(HaveOccurred())
	got, err := Unpack(joined)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(got).To(Equal([]File{files[1], files[0], files[2]}), "sorted by name, whole")

	again, err := Pack([]File{files[2], files[0], files[1]})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(bytes.Equal(packed, again)).To(BeTrue(), "the order in which files come does not matter")
}

func TestDamageIsSeen(t *testing.T) {
	g := NewWithT(t)
	packed, err := Pack([]File{{"a", []byte("hello")}})
	g.Expect(err).NotTo(HaveOccurred())
	digest := Digest(packed)

	damaged := bytes.Clone(packed)
	damaged[len(damaged)/2] ^= 1
	_, err = Join(Split(damaged, 10), digest)
	g.Expect(err).To(MatchError(ContainSubstring("damaged")))
	_, err = Join(Split(packed, 10)[1:], digest)
	g.Expect(err).To(MatchError(ContainSubstring("damaged")), "a missing chunk")
	_, err = Unpack(packed[:10])
	g.Expect(err).To(HaveOccurred())
}
