// Oracle: writes and reads a log with golang.org/x/mod/sumdb/tlog and note, which share no code with the product.
//
//	oracle write DIR SIZE SEED_HEX   the log of the vectors' first SIZE entries, signed by the key of that seed
//	oracle read DIR VKEY             checks the signature, every tile up to the root, and every entry; prints the root
package main

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

const (
	height = 8
	width  = 1 << height
	origin = "log.example/prov-test"
)

func main() {
	if len(os.Args) == 5 && os.Args[1] == "write" {
		size, err := strconv.ParseInt(os.Args[3], 10, 64)
		must(err)
		write(os.Args[2], size, os.Args[4])
	} else if len(os.Args) == 4 && os.Args[1] == "read" {
		read(os.Args[2], os.Args[3])
	} else {
		fmt.Fprintln(os.Stderr, "usage: oracle write DIR SIZE SEED_HEX | oracle read DIR VKEY")
		os.Exit(2)
	}
}

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func check(holds bool, format string, values ...interface{}) {
	if !holds {
		must(fmt.Errorf(format, values...))
	}
}

func entry(i int64) []byte {
	return []byte(fmt.Sprintf("%x  records/%08d.dsse.json\n", sha256.Sum256([]byte(fmt.Sprintf("record %d", i))), i))
}

// c2sp is a tile's path in C2SP tlog-tiles: the Go form without the height.
func c2sp(t tlog.Tile) string {
	return "tile/" + strings.TrimPrefix(t.Path(), fmt.Sprintf("tile/%d/", height))
}

// bundle is the path of the entries under a tile of level 0.
func bundle(t tlog.Tile) string {
	return strings.Replace(c2sp(t), "tile/0/", "tile/entries/", 1)
}

// newest leaves of all widths that NewTiles lists for a growing tile only the one of this size.
func newest(size int64) []tlog.Tile {
	found := map[[2]int64]tlog.Tile{}
	for _, t := range tlog.NewTiles(height, 0, size) {
		key := [2]int64{int64(t.L), t.N}
		if known, ok := found[key]; !ok || t.W > known.W {
			found[key] = t
		}
	}
	var tiles []tlog.Tile
	for _, t := range found {
		tiles = append(tiles, t)
	}
	return tiles
}

func text(size int64, root tlog.Hash) string {
	return fmt.Sprintf("%s\n%d\n%s\n", origin, size, base64.StdEncoding.EncodeToString(root[:]))
}

// stored computes every hash of a log from its entries.
func stored(size int64, entries func(int64) []byte) tlog.HashReader {
	var hashes []tlog.Hash
	reader := tlog.HashReaderFunc(func(indexes []int64) ([]tlog.Hash, error) {
		list := make([]tlog.Hash, len(indexes))
		for i, index := range indexes {
			list[i] = hashes[index]
		}
		return list, nil
	})
	for i := int64(0); i < size; i++ {
		made, err := tlog.StoredHashes(i, entries(i), reader)
		must(err)
		hashes = append(hashes, made...)
	}
	return reader
}

func write(dir string, size int64, seedHex string) {
	hashes := stored(size, entry)
	for _, t := range newest(size) {
		data, err := tlog.ReadTileData(t, hashes)
		must(err)
		put(dir, c2sp(t), data)
		if t.L == 0 {
			var entries []byte
			for i := t.N * width; i < t.N*width+int64(t.W); i++ {
				e := entry(i)
				entries = append(append(entries, byte(len(e)>>8), byte(len(e))), e...)
			}
			put(dir, bundle(t), entries)
		}
	}
	root, err := tlog.TreeHash(size, hashes)
	must(err)
	seed, err := hex.DecodeString(seedHex)
	must(err)
	public := ed25519.NewKeyFromSeed(seed).Public().(ed25519.PublicKey)
	id := sha256.Sum256(append([]byte(origin+"\n\x01"), public...))
	skey := fmt.Sprintf("PRIVATE+KEY+%s+%x+%s", origin, id[:4], base64.StdEncoding.EncodeToString(append([]byte{1}, seed...)))
	signer, err := note.NewSigner(skey)
	must(err)
	signed, err := note.Sign(&note.Note{Text: text(size, root)}, signer)
	must(err)
	put(dir, "checkpoint", signed)
	fmt.Println(hex.EncodeToString(root[:]))
}

func put(dir, path string, data []byte) {
	place := filepath.Join(dir, path)
	must(os.MkdirAll(filepath.Dir(place), 0o755))
	must(os.WriteFile(place, data, 0o644))
}

// read recomputes everything from the entries. tlog.TileHashReader is not used: where the tree's right edge has several
// subtrees in one tile, the version that Debian 12 ships takes some tiles without comparing them with their parents.
func read(dir, vkey string) {
	verifier, err := note.NewVerifier(vkey)
	must(err)
	raw, err := os.ReadFile(filepath.Join(dir, "checkpoint"))
	must(err)
	opened, err := note.Open(raw, note.VerifierList(verifier))
	must(err)
	lines := strings.Split(opened.Text, "\n")
	check(len(lines) == 4 && lines[0] == verifier.Name(), "checkpoint: %q", opened.Text)
	size, err := strconv.ParseInt(lines[1], 10, 64)
	must(err)
	root, err := base64.StdEncoding.DecodeString(lines[2])
	must(err)
	var entries [][]byte
	tiles := newest(size)
	sort.Slice(tiles, func(i, j int) bool {
		return tiles[i].L < tiles[j].L || tiles[i].L == tiles[j].L && tiles[i].N < tiles[j].N
	})
	for _, t := range tiles {
		if t.L == 0 {
			entries = append(entries, readEntries(dir, t)...)
		}
	}
	hashes := stored(size, func(i int64) []byte { return entries[i] })
	found, err := tlog.TreeHash(size, hashes)
	must(err)
	check(bytes.Equal(found[:], root), "the entries lead to root %x, the checkpoint says %x", found[:], root)
	for _, t := range tiles {
		data, err := tlog.ReadTileData(t, hashes)
		must(err)
		file, err := os.ReadFile(filepath.Join(dir, c2sp(t)))
		must(err)
		check(bytes.Equal(file, data), "%s differs from the tree", c2sp(t))
	}
	fmt.Println(hex.EncodeToString(root))
}

func readEntries(dir string, t tlog.Tile) [][]byte {
	data, err := os.ReadFile(filepath.Join(dir, bundle(t)))
	must(err)
	var entries [][]byte
	for len(data) > 0 {
		check(len(data) >= 2, "%s ends inside an entry", bundle(t))
		n := int(data[0])<<8 | int(data[1])
		check(len(data) >= 2+n, "%s ends inside an entry", bundle(t))
		entries = append(entries, data[2:2+n])
		data = data[2+n:]
	}
	check(len(entries) == t.W, "%s has %d entries", bundle(t), len(entries))
	return entries
}
