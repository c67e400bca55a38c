package main

import (
	"github.com/spf13/cobra"

	"github.com/sidekey/sidekey/provider"
)

// completionCommand takes the place of cobra's own, which is a command of
// commands with a page of text each.
func (a *app) completionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "completion bash|zsh|fish|powershell",
		Short: "Print the script that lets a shell complete commands, flags and providers",
		Long: `completion prints a script for the shell that is named.

  bash        sidekey completion bash > /etc/bash_completion.d/sidekey
  zsh         sidekey completion zsh > "${fpath[1]}/_sidekey"
  fish        sidekey completion fish > ~/.config/fish/completions/sidekey.fish
  powershell  sidekey completion powershell | Out-String | Invoke-Expression

To try it in this shell alone: source <(sidekey completion bash)`,
		Args:      choice("bash", "zsh", "fish", "powershell"),
		ValidArgs: []string{"bash", "zsh", "fish", "powershell"},
		RunE: func(c *cobra.Command, args []string) error {
			root := c.Root()
			switch args[0] {
			case "bash":
				return root.GenBashCompletionV2(a.stdout, true)
			case "zsh":
				return root.GenZshCompletion(a.stdout)
			case "fish":
				return root.GenFishCompletion(a.stdout, true)
			default:
				return root.GenPowerShellCompletionWithDesc(a.stdout)
			}
		},
	}
}

// fileFlags are the flags that name files, in all commands.
var fileFlags = []string{"state", "out", "html", "baseline", "from", "ca-file", "recorded"}

// completeTree says for each command what may follow: what is not a file, a
// provider or a choice has nothing to be completed with, least of all the
// names of files.
func completeTree(root *cobra.Command) {
	root.CompletionOptions.SetDefaultShellCompDirective(cobra.ShellCompDirectiveNoFileComp)
	must(root.MarkPersistentFlagFilename("config", "yaml", "yml"))
	var walk func(*cobra.Command)
	walk = func(c *cobra.Command) {
		if c.Flags().Lookup("provider") != nil {
			must(c.RegisterFlagCompletionFunc("provider", completeProvider))
		}
		for _, name := range fileFlags {
			f := c.LocalNonPersistentFlags().Lookup(name)
			if f == nil {
				continue
			}
			if _, taken := c.GetFlagCompletionFunc(name); !taken {
				must(c.MarkFlagFilename(name))
			}
		}
		for _, sub := range c.Commands() {
			walk(sub)
		}
	}
	walk(root)
}

// must is for what can only fail if a flag is not there that was just found.
func must(err error) {
	if err != nil {
		panic(err)
	}
}

// completeProvider offers the slugs, each with the provider's name.
func completeProvider(*cobra.Command, []string, string) ([]cobra.Completion, cobra.ShellCompDirective) {
	var out []cobra.Completion
	for _, p := range provider.All() {
		out = append(out, cobra.CompletionWithDesc(string(p.Slug), p.Name))
	}
	return out, cobra.ShellCompDirectiveNoFileComp
}

// words offers a fixed choice for a flag.
func words(c *cobra.Command, flag string, choices ...cobra.Completion) {
	must(c.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(choices, cobra.ShellCompDirectiveNoFileComp)))
}
