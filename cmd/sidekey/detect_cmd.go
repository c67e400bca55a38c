package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/sidekey/sidekey/detect"
	"github.com/sidekey/sidekey/provider"
)

// maxModelLine bounds one line of input. No provider has an id a tenth as
// long.
const maxModelLine = 64 << 10

func (a *app) detectCommand() *cobra.Command {
	var providers bool
	c := a.withJSON(&cobra.Command{
		Use:   "detect [MODEL... | -]",
		Short: "Name the provider of each model",
		Long: `detect writes one line for each model: the model, a tab, and the slug of the
provider whose key pays for it, or - if it has none. The argument - reads models
from standard input, one on a line. The rules of detect.rules apply if there is
a configuration. Control bytes in a model are written as \x and two digits.`,
		Example: "  sidekey detect gpt-5.1 anthropic/claude-opus-5\n  cut -d, -f1 models.csv | sidekey detect -",
		RunE: func(c *cobra.Command, args []string) error {
			if providers {
				return a.listProviders()
			}
			return a.detect(c.Context(), args)
		},
	})
	c.Flags().BoolVar(&providers, "providers", false, "list the providers and the spellings they are known by")
	return c
}

func (a *app) detect(ctx context.Context, models []string) error {
	if len(models) == 0 {
		return usage("detect needs models, or - to read them from standard input")
	}
	ld, err := a.config()
	if err != nil {
		return err
	}
	d, err := detect.New(rules(&ld.Config))
	if err != nil {
		return err
	}
	p := &detectPrinter{detector: d, out: bufio.NewWriterSize(a.stdout, 64<<10), json: a.jsonFlag}
	for _, m := range models {
		if m == "-" {
			err = p.stream(ctx, a.stdin)
		} else {
			err = p.print([]byte(m))
		}
		if err != nil {
			return err
		}
	}
	return p.out.Flush()
}

// A detectPrinter writes answers. It makes nothing for each line.
type detectPrinter struct {
	detector *detect.Detector
	out      *bufio.Writer
	json     bool
}

// stream answers line by line; answers are held back only while more input is
// already there, so that a program can ask and wait.
func (p *detectPrinter) stream(ctx context.Context, in io.Reader) error {
	r := bufio.NewReaderSize(in, maxModelLine)
	for ctx.Err() == nil {
		if r.Buffered() == 0 {
			if err := p.out.Flush(); err != nil {
				return err
			}
		}
		line, err := r.ReadSlice('\n')
		if errors.Is(err, bufio.ErrBufferFull) {
			return fmt.Errorf("a line is longer than %s; one model belongs on each", Size(maxModelLine))
		}
		if model := bytes.TrimRight(line, "\r\n"); len(model) > 0 {
			if err := p.print(model); err != nil {
				return err
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("reading standard input: %w", err)
		}
	}
	return ctx.Err()
}

func (p *detectPrinter) print(model []byte) error {
	slug := p.detector.Provider(model)
	if p.json {
		return p.printJSON(model, slug)
	}
	p.escape(model)
	p.out.WriteByte('\t')
	if slug == "" {
		slug = "-"
	}
	p.out.WriteString(string(slug))
	return p.out.WriteByte('\n')
}

// escape writes a model so that it cannot end its line, forge a column or
// command a terminal.
func (p *detectPrinter) escape(model []byte) {
	const hex = "0123456789abcdef"
	start := 0
	for i, b := range model {
		if b < ' ' || b == 0x7f {
			p.out.Write(model[start:i])
			p.out.WriteString(`\x`)
			p.out.WriteByte(hex[b>>4])
			p.out.WriteByte(hex[b&15])
			start = i + 1
		}
	}
	p.out.Write(model[start:])
}

func (p *detectPrinter) printJSON(model []byte, slug provider.Slug) error {
	line, err := jsonLine(struct {
		Model    string `json:"model"`
		Provider string `json:"provider"`
	}{string(model), string(slug)})
	p.out.Write(line)
	return err
}

func (a *app) listProviders() error {
	w := bufio.NewWriter(a.stdout)
	for _, p := range provider.All() {
		if a.jsonFlag {
			line, err := jsonLine(struct {
				Slug      string   `json:"slug"`
				Name      string   `json:"name"`
				Spellings []string `json:"spellings"`
			}{string(p.Slug), p.Name, p.Creators})
			if err != nil {
				return err
			}
			w.Write(line)
			continue
		}
		fmt.Fprintf(w, "%-14s %s\n", p.Slug, p.Name)
	}
	return w.Flush()
}
