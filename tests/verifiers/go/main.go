// Verifies an evidence bundle with golang.org/x/mod/sumdb (note, tlog) and the Go standard library; exit 0 if all holds.
// Usage: verify BUNDLE. Of the evidence's own software nothing is used. Witness lines are not looked at.
package main

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

type tree struct {
	origin string
	size   int64
	root   tlog.Hash
}

func check(err error, what string) {
	if err != nil {
		log.Fatalf("%s: %v", what, err)
	}
}

func require(holds bool, what string) {
	if !holds {
		log.Fatal(what)
	}
}

func read(parts ...string) []byte {
	content, err := os.ReadFile(filepath.Join(parts...))
	check(err, "read")
	return content
}

func lines(content []byte) []string {
	return strings.Split(strings.TrimSuffix(string(content), "\n"), "\n")
}

func number(text string) int64 {
	value, err := strconv.ParseInt(text, 10, 64)
	check(err, "number")
	return value
}

func checkpoint(signed []byte, verifier note.Verifier) tree {
	opened, err := note.Open(signed, note.VerifierList(verifier))
	check(err, "checkpoint")
	text := lines([]byte(opened.Text))
	require(len(text) == 3 && text[0] == verifier.Name(), "checkpoint: origin, size, root")
	root, err := tlog.ParseHash(text[2])
	check(err, "checkpoint root")
	return tree{text[0], number(text[1]), root}
}

// verifierOf gives the key that is named as a log; a scope's log has its name after the main log's.
func verifierOf(vkeys []string, origin string) note.Verifier {
	for _, vkey := range vkeys {
		verifier, err := note.NewVerifier(vkey)
		check(err, "log.vkey")
		if verifier.Name() == origin {
			return verifier
		}
	}
	log.Fatal("no key of the log " + origin)
	return nil
}

func hashes(text []string) []tlog.Hash {
	var found []tlog.Hash
	for _, line := range text {
		hash, err := tlog.ParseHash(line)
		check(err, "hash")
		found = append(found, hash)
	}
	return found
}

// entries reads the log's entry bundles: a 16-bit length before each entry.
func entries(place string, size int64) [][]byte {
	var found [][]byte
	for n := int64(0); n*256 < size; n++ {
		content := read(place, "log", "tile", "entries", path(n, size))
		for len(content) > 0 {
			length := int(binary.BigEndian.Uint16(content))
			found = append(found, content[2:2+length])
			content = content[2+length:]
		}
	}
	require(int64(len(found)) == size, "number of entries")
	return found
}

// path of tile n below the folder of a level that has count hashes, or entries.
func path(n, count int64) string {
	return strings.TrimPrefix(tlog.Tile{H: 8, L: 0, N: n, W: width(n, count)}.Path(), "tile/8/0/")
}

func width(n, count int64) int {
	if count-n*256 > 256 {
		return 256
	}
	return int(count - n*256)
}

// recomputed stores the hashes of all entries and gives a reader of them.
func recomputed(all [][]byte) tlog.HashReaderFunc {
	var stored []tlog.Hash
	reader := tlog.HashReaderFunc(func(indexes []int64) ([]tlog.Hash, error) {
		found := make([]tlog.Hash, len(indexes))
		for i, index := range indexes {
			found[i] = stored[index]
		}
		return found, nil
	})
	for n, entry := range all {
		more, err := tlog.StoredHashes(int64(n), entry, reader)
		check(err, "stored hashes")
		stored = append(stored, more...)
	}
	return reader
}

func checkTiles(place string, size int64, reader tlog.HashReader) {
	for level := 0; size>>(8*uint(level)) > 0; level++ {
		count := size >> (8 * uint(level))
		for n := int64(0); n*256 < count; n++ {
			want, err := tlog.ReadTileData(tlog.Tile{H: 8, L: level, N: n, W: width(n, count)}, reader)
			check(err, "tile")
			found := read(place, "log", "tile", strconv.Itoa(level), path(n, count))
			require(bytes.Equal(want, found), fmt.Sprintf("tile %d of level %d", n, level))
		}
	}
}

func certificate(content []byte) *x509.Certificate {
	block, _ := pem.Decode(content)
	require(block != nil, "PEM")
	found, err := x509.ParseCertificate(block.Bytes)
	check(err, "certificate")
	return found
}

func decode(text string) []byte {
	content, err := base64.StdEncoding.DecodeString(text)
	check(err, "base64")
	return content
}

type envelope struct {
	Payload     string
	PayloadType string
	Signatures  []struct{ Keyid, Sig string }
}

type logged struct {
	Spec struct {
		HashedRekordV002 struct {
			Data      struct{ Digest string }
			Signature struct {
				Content  string
				Verifier struct{ PublicKey struct{ RawBytes string } }
			}
		}
	}
}

// checkRecord leads from a record's signature to its certificate and to its entry.
func checkRecord(place, file string, entry []byte, root *x509.Certificate) {
	var said envelope
	var kept logged
	check(json.Unmarshal(read(place, file), &said), file)
	check(json.Unmarshal(entry, &kept), file+": entry")
	require(len(said.Signatures) == 1, file+": one signature")
	body := decode(said.Payload)
	pae := fmt.Sprintf("DSSEv1 %d %s %d %s", len(said.PayloadType), said.PayloadType, len(body), body)
	digest := sha256.Sum256([]byte(pae))
	key := certificate(read(place, "keys", "instances", said.Signatures[0].Keyid+".pem"))
	check(key.CheckSignatureFrom(root), file+": certificate")
	public := key.PublicKey.(*ecdsa.PublicKey)
	require(ecdsa.VerifyASN1(public, digest[:], decode(said.Signatures[0].Sig)), file+": signature")
	record := kept.Spec.HashedRekordV002
	require(bytes.Equal(decode(record.Data.Digest), digest[:]), file+": digest in the entry")
	require(record.Signature.Content == said.Signatures[0].Sig, file+": signature in the entry")
	require(bytes.Equal(decode(record.Signature.Verifier.PublicKey.RawBytes), key.RawSubjectPublicKeyInfo), file+": key")
}

func checkProof(place string, index int64, entry []byte, signed []byte, now tree) {
	head, rest, found := bytes.Cut(read(place, "proofs", fmt.Sprintf("%d.tlog-proof", index)), []byte("\n\n"))
	require(found && bytes.Equal(rest, signed), "a proof for another checkpoint")
	text := lines(head)
	require(text[0] == "c2sp.org/tlog-proof@v1" && text[1] == fmt.Sprintf("index %d", index), "proof header")
	proof := tlog.RecordProof(hashes(text[2:]))
	check(tlog.CheckRecord(proof, now.size, now.root, index, tlog.RecordHash(entry)), "inclusion")
}

func checkConsistency(place string, signed []byte, now tree, verifier note.Verifier) {
	kept, err := os.ReadFile(filepath.Join(place, "previous", "checkpoint"))
	if os.IsNotExist(err) {
		return
	}
	before := checkpoint(kept, verifier)
	name := fmt.Sprintf("consistency-%d-%d.txt", before.size, now.size)
	head, rest, found := bytes.Cut(read(place, "proofs", name), []byte("\n\n"))
	require(found && bytes.Equal(rest, signed), "a consistency proof for another checkpoint")
	text := lines(head)
	require(text[0] == fmt.Sprintf("old %d", before.size), "consistency header")
	if before.size == now.size {
		require(before.root == now.root && len(text) == 1, "two roots of one size")
		return
	}
	check(tlog.CheckTree(hashes(text[1:]), now.size, now.root, before.size, before.root), "consistency")
}

func main() {
	log.SetFlags(0)
	place := os.Args[1]
	signed := read(place, "log", "checkpoint")
	verifier := verifierOf(lines(read(place, "keys", "log.vkey")), lines(signed)[0])
	now := checkpoint(signed, verifier)
	all := entries(place, now.size)
	reader := recomputed(all)
	root, err := tlog.TreeHash(now.size, reader)
	check(err, "tree")
	require(root == now.root, "the entries do not lead to the root in the checkpoint")
	checkTiles(place, now.size, reader)
	checkConsistency(place, signed, now, verifier)
	organisation := certificate(read(place, "keys", "root.pem"))
	listed := lines(read(place, "records", "index.txt"))
	for _, line := range listed {
		fields := strings.Fields(line)
		index := number(fields[0])
		require(index < now.size, "index beyond the log")
		checkProof(place, index, all[index], signed, now)
		checkRecord(place, fields[3], all[index], organisation)
	}
	fmt.Printf("%d records hold in a log of %d entries\n", len(listed), now.size)
}
