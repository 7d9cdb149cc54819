// Package tools keeps in go.mod what is pinned for its test vectors, and is no tool.
package tools

import (
	_ "c2sp.org/CCTV/age"
	_ "filippo.io/hpke"
)
