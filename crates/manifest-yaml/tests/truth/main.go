// Truth writes what the YAML readers of Kubernetes and SOPS make of the inputs, for ../truth.rs to compare with.
//
//	go run . scalars.txt documents.txt
//
// scalars.txt has one scalar a line; it is read as the value of a key, so tags, anchors and quotes work. documents.txt has
// documents separated by lines of `=`. The results go to kubernetes.jsonl and go_yaml_v3.jsonl.
package main

import (
	"encoding/json"
	"log"
	"os"
	"strconv"
	"strings"
	"time"

	v3 "go.yaml.in/yaml/v3"
	"sigs.k8s.io/yaml"
)

// kubernetesRow is what sigs.k8s.io/yaml gives: JSON, or nothing where it fails. Strict is false where it takes the
// document only with duplicate keys allowed.
type kubernetesRow struct {
	YAML   string          `json:"yaml"`
	JSON   json.RawMessage `json:"json,omitempty"`
	Strict bool            `json:"strict"`
}

// goYAMLRow is the type that go-yaml v3 gives the value of `v`, with the text that SOPS hashes for it; no type where it
// fails.
type goYAMLRow struct {
	YAML string `json:"yaml"`
	Type string `json:"type,omitempty"`
	Text string `json:"text,omitempty"`
}

func main() {
	log.SetFlags(0)
	if len(os.Args) != 3 {
		log.Fatal("usage: truth scalars.txt documents.txt")
	}
	var scalars []string
	for _, line := range strings.Split(strings.TrimSuffix(read(os.Args[1]), "\n"), "\n") {
		scalars = append(scalars, "v: "+line+"\n")
	}
	documents := strings.Split(read(os.Args[2]), "=\n")

	var kubernetes, goYAML []any
	for _, document := range append(append([]string{}, scalars...), documents...) {
		row := kubernetesRow{YAML: document}
		if out, err := yaml.YAMLToJSON([]byte(document)); err == nil {
			row.JSON = out
			_, err = yaml.YAMLToJSONStrict([]byte(document))
			row.Strict = err == nil
		}
		kubernetes = append(kubernetes, row)
	}
	for _, document := range scalars {
		goYAML = append(goYAML, typed(document))
	}
	write("kubernetes.jsonl", kubernetes)
	write("go_yaml_v3.jsonl", goYAML)
}

func typed(document string) goYAMLRow {
	row := goYAMLRow{YAML: document}
	var root v3.Node
	if err := v3.Unmarshal([]byte(document), &root); err != nil {
		return row
	}
	var value any
	if err := root.Content[0].Content[1].Decode(&value); err != nil {
		return row
	}
	switch value := value.(type) {
	case nil:
		row.Type = "null"
	case bool:
		row.Type, row.Text = "bool", strconv.FormatBool(value)
	case int:
		row.Type, row.Text = "int", strconv.Itoa(value)
	case int64:
		row.Type, row.Text = "int", strconv.FormatInt(value, 10)
	case uint64:
		row.Type, row.Text = "unsigned", strconv.FormatUint(value, 10)
	case float64:
		row.Type, row.Text = "float", strconv.FormatFloat(value, 'f', -1, 64)
	case string:
		row.Type, row.Text = "string", value
	case time.Time:
		row.Type, row.Text = "timestamp", value.Format(time.RFC3339Nano)
	default:
		row.Type = "collection"
	}
	return row
}

func read(path string) string {
	content, err := os.ReadFile(path)
	if err != nil {
		log.Fatal(err)
	}
	return string(content)
}

func write(path string, rows []any) {
	var out strings.Builder
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	for _, row := range rows {
		if err := encoder.Encode(row); err != nil {
			log.Fatal(err)
		}
	}
	if err := os.WriteFile(path, []byte(out.String()), 0o644); err != nil {
		log.Fatal(err)
	}
}
