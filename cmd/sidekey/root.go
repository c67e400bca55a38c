package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
)

const (
	groupServe = "serve"
	groupOwner = "owner"
	groupTry   = "try"
	groupShell = "shell"
)

// Commands are shown in the order in which they are added: what is needed first
// stands first.
func init() { cobra.EnableCommandSorting = false }

// usageTemplate shows commands by group, and flags last.
const usageTemplate = `Usage:
  {{if .HasAvailableSubCommands}}{{.CommandPath}} COMMAND [flags]{{else}}{{.UseLine}}{{end}}
{{- range .Groups}}{{$group := .}}

{{.Title}}{{range $.Commands}}{{if and .IsAvailableCommand (eq .GroupID $group.ID)}}
  {{rpad .Name 10}} {{.Short}}{{end}}{{end}}{{end}}
{{- if and .HasAvailableSubCommands (not .Groups)}}

Commands:{{range .Commands}}{{if .IsAvailableCommand}}
  {{rpad .Name 10}} {{.Short}}{{end}}{{end}}{{end}}
{{- if .HasExample}}

Examples:
{{.Example}}{{end}}
{{- if .HasAvailableFlags}}

Flags:
{{.Flags.FlagUsages | trimTrailingWhitespaces}}{{end}}
{{- if .HasAvailableSubCommands}}

{{.CommandPath}} COMMAND --help says more about a command.{{end}}
`

// commandFor builds as much of the tree as a command line needs. The others' 30
// commands, with what completes their flags, are 2 ms of a start where a page
// fault is dear; serve and health are started by machines, health every few
// seconds.
func (a *app) commandFor(args []string) *cobra.Command {
	root := a.root()
	switch {
	case len(args) > 0 && args[0] == "serve":
		addTo(root, groupServe, a.serveCommand())
	case len(args) > 0 && args[0] == "health":
		addTo(root, groupServe, a.healthCommand())
	default:
		return a.command()
	}
	return root
}

// command builds the tree of commands. Every call makes a new one: cobra keeps
// the values of flags in it.
func (a *app) command() *cobra.Command {
	root := a.root()
	addTo(root, groupServe, a.serveCommand(), a.checkCommand(), a.healthCommand(), a.consoleCommand(), a.storeCommand(), a.tokenCommand())
	addTo(root, groupOwner, a.keysCommand(), a.byokCommand(), a.byoiCommand())
	addTo(root, groupTry, a.demoCommand(), a.detectCommand(), a.sandboxCommand(), a.benchCommand())
	addTo(root, groupShell, a.completionCommand())
	root.Version = versionLine() // reads the build's list of modules
	completeTree(root)
	return root
}

func addTo(root *cobra.Command, group string, commands ...*cobra.Command) {
	for _, c := range commands {
		c.GroupID = group
		root.AddCommand(c)
	}
}

// root is the tree without its branches.
func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "sidekey",
		Short: "Send each AI request with the key that should pay for it",
		Long: `sidekey stands between a chatbot and an AI gateway. It reads which model a
request asks for, finds the key that the chatbot's owner stored for that
provider, and hands it to the gateway with the request.`,
		Example: `  sidekey demo                                                  see it work: nothing to set up
  sidekey keys set --chatbot demo --provider openai < key.txt   store an owner's key
  sidekey check && sidekey serve                                run the sidecar with ./sidekey.yaml
  sidekey health                                                is it ready?`,
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          cobra.ArbitraryArgs,
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) == 0 {
				return c.Help()
			}
			return unknownCommand(c, args[0])
		},
	}
	root.SetIn(a.stdin)
	root.SetOut(a.stdout)
	root.SetErr(a.stderr)
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return flagError(err) })
	root.PersistentFlags().StringVar(&a.configFlag, "config", "",
		"configuration file (default ./sidekey.yaml, else /etc/sidekey/sidekey.yaml)")
	root.AddGroup(
		&cobra.Group{ID: groupServe, Title: "For operators:"},
		&cobra.Group{ID: groupOwner, Title: "For owners of chatbots:"},
		&cobra.Group{ID: groupTry, Title: "To try and to measure:"},
		&cobra.Group{ID: groupShell, Title: "At a terminal:"},
	)
	root.SetHelpCommandGroupID(groupShell)
	root.SetHelpCommand(helpCommand())
	root.SetUsageTemplate(usageTemplate)
	root.CompletionOptions.DisableDefaultCmd = true // completion.go has it
	root.SetVersionTemplate("sidekey {{.Version}}\n")
	root.Flags().Bool("version", false, "print the version") // without -v, which others use for more words
	return root
}

// helpCommand is cobra's own in the words of this house.
func helpCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "help [COMMAND]",
		Short: "Say more about a command",
		Long:  "help prints what a command does, its flags and examples; so does the flag --help.",
		ValidArgsFunction: func(c *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
			at, _, err := c.Root().Find(args)
			if err != nil {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			return subNames(at), cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(c *cobra.Command, args []string) error {
			at, rest, err := c.Root().Find(args)
			if err != nil {
				return err
			}
			if len(rest) > 0 {
				return unknownCommand(at, rest[0])
			}
			at.InitDefaultHelpFlag()
			return at.Help()
		},
	}
}

// unknownCommand does not repeat a word that may be a key.
func unknownCommand(c *cobra.Command, word string) error {
	if looksLikeKey(word) {
		return errKeyArgument
	}
	var names []string
	for _, sub := range c.Commands() {
		names = append(names, sub.Name())
	}
	if near := nearest(word, names); near != "" {
		return usage("there is no command %s %s; did you mean %s?", c.CommandPath(), quote(word), near)
	}
	return usage("there is no command %s %s", c.CommandPath(), quote(word))
}

var errKeyArgument = usage("an argument looks like a key; a key on the command line can be read by every user of this machine and stays in the shell's history: pass it on standard input, and replace this one")

// flagError keeps a secret that was given as a flag's value, or as a flag, out
// of the message, in which pflag quotes it.
func flagError(err error) error {
	for word := range strings.FieldsFuncSeq(err.Error(), func(r rune) bool { return strings.ContainsRune(" \"'=", r) }) {
		if looksLikeKey(strings.TrimLeft(word, "-")) {
			return errKeyArgument
		}
	}
	return errUsage{err}
}

// group makes a command that only holds others.
func group(use, short string, commands ...*cobra.Command) *cobra.Command {
	c := &cobra.Command{
		Use: use, Short: short, Args: cobra.ArbitraryArgs,
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) > 0 {
				return unknownCommand(c, args[0])
			}
			return usage("%s needs one of its commands: %s", c.CommandPath(), oneOf(subNames(c)))
		},
	}
	c.AddCommand(commands...)
	return c
}

func subNames(c *cobra.Command) []string {
	var out []string
	for _, sub := range c.Commands() {
		if sub.IsAvailableCommand() {
			out = append(out, sub.Name())
		}
	}
	return out
}

// noArgs refuses arguments without repeating them.
func noArgs(c *cobra.Command, args []string) error {
	for _, arg := range args {
		if looksLikeKey(arg) {
			return errKeyArgument
		}
	}
	if len(args) > 0 {
		return usage("%s takes no arguments besides its flags", c.CommandPath())
	}
	return nil
}

// choice accepts exactly one of the words as the only argument.
func choice(words ...string) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if len(args) == 1 {
			for _, w := range words {
				if args[0] == w {
					return nil
				}
			}
		}
		for _, arg := range args {
			if looksLikeKey(arg) {
				return errKeyArgument
			}
		}
		return usage("%s", fmt.Sprintf("%s needs one word: %s", c.CommandPath(), oneOf(words)))
	}
}
