package restart_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// A markdownPage is one page of the documentation.
type markdownPage struct {
	file   string // from the top of the repository
	text   string // all of it
	prose  string // without code: each line of a block is empty, and inline code is ``
	blocks []codeBlock
	inline []string // code within a line, without the backquotes

	headings []string
}

// A codeBlock is fenced, or indented by four spaces.
type codeBlock struct {
	line  int    // the first one of the code, from 1
	lang  string // empty if none is given, and "indented"
	lines []string
}

func (b codeBlock) text() string { return strings.Join(b.lines, "\n") + "\n" }

// markdown returns every page of the repository.
func markdown(t *testing.T) (pages []markdownPage) {
	t.Helper()
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (d.Name() == ".git" || d.Name() == "bin" || d.Name() == "testdata"):
			return filepath.SkipDir
		case d.IsDir() || filepath.Ext(path) != ".md":
			return nil
		}
		b, err := os.ReadFile(path)
		if err == nil {
			pages = append(pages, parseMarkdown(filepath.ToSlash(path), string(b)))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(pages) < 20 {
		t.Fatalf("found only %d pages", len(pages))
	}
	return pages
}

var (
	inlineCode = regexp.MustCompile("`([^`\n]+)`")
	heading    = regexp.MustCompile(`^#{1,6} (.*)$`)
	listItem   = regexp.MustCompile(`^\s*(?:[-*]|\d+\.) `)
)

// parseMarkdown knows as much of Markdown as this repository uses.
func parseMarkdown(file, text string) markdownPage {
	p := markdownPage{file: file, text: text}
	var prose []string
	var open *codeBlock // the block that the line before is in
	fence := ""         // what the open block is indented by, with its backquotes
	inList := false     // lines that are indented go on with a list
	for i, line := range strings.Split(text, "\n") {
		bare := strings.TrimLeft(line, " ")
		indent := line[:len(line)-len(bare)]
		switch {
		case fence != "" && line == fence:
			open, fence = nil, ""
			line = ""
		case fence != "":
			open.lines = append(open.lines, strings.TrimPrefix(line, strings.TrimSuffix(fence, "```")))
			line = ""
		case strings.HasPrefix(bare, "```"):
			p.blocks = append(p.blocks, codeBlock{line: i + 2, lang: strings.TrimPrefix(bare, "```")})
			open, fence = &p.blocks[len(p.blocks)-1], indent+"```"
			line = ""
		case len(indent) >= 4 && bare != "" && !inList:
			if open == nil {
				p.blocks = append(p.blocks, codeBlock{line: i + 1, lang: "indented"})
				open = &p.blocks[len(p.blocks)-1]
			}
			open.lines = append(open.lines, line[4:])
			line = ""
		case bare == "":
			if open != nil {
				open.lines = append(open.lines, "")
			}
		default:
			open = nil
			if m := heading.FindStringSubmatch(line); m != nil {
				p.headings = append(p.headings, m[1])
			}
			inList = listItem.MatchString(line) || inList && indent != ""
		}
		for _, m := range inlineCode.FindAllStringSubmatch(line, -1) {
			p.inline = append(p.inline, m[1])
		}
		prose = append(prose, inlineCode.ReplaceAllString(line, "``"))
	}
	p.prose = strings.Join(prose, "\n")
	return p
}

func TestParseMarkdown(t *testing.T) {
	p := parseMarkdown("a.md", "# A `b`\n\n- item\n\n    goes on\n\n  ```go\n  x := 1\n\n  y\n  ```\n\ntext\n\n    code\n\n    more\n\n```\nplain\n```\n")
	want := []codeBlock{
		{8, "go", []string{"x := 1", "", "y"}},
		{15, "indented", []string{"code", "", "more", ""}},
		{20, "", []string{"plain"}},
	}
	if len(p.blocks) != len(want) {
		t.Fatalf("got blocks %+v, want %+v", p.blocks, want)
	}
	for i, b := range p.blocks {
		if b.line != want[i].line || b.lang != want[i].lang || b.text() != want[i].text() {
			t.Errorf("got %+v, want %+v", b, want[i])
		}
	}
	if len(p.headings) != 1 || p.headings[0] != "A `b`" {
		t.Errorf("got headings %q", p.headings)
	}
	if len(p.inline) != 1 || p.inline[0] != "b" || strings.Contains(p.prose, "plain") || !strings.Contains(p.prose, "goes on") {
		t.Errorf("got inline code %q and prose %q", p.inline, p.prose)
	}
}
