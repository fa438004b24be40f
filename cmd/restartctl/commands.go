package main

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"example.com/restart/control"
)

// socketVar names the environment variable that stands for --socket.
const socketVar = "RESTARTCTL_SOCKET"

const rootHelp = `restartctl asks a running program for a restart and tells how that went.

The program has opened a socket for that, with control.Add of
example.com/restart. Give its path with --socket, or in the environment variable
` + socketVar + `. Only the user to whom the program belongs, and root, may ask.

Exit codes:
  0  done; after "restart" the new process serves
  1  the program refused, or the restart failed: the old process serves on
  2  the command line is wrong
  3  nobody can be asked: no such socket, or nobody listens
  4  permission denied
  5  interrupted, or the answer was broken off: ask for the status`

const rootExample = `  restartctl --socket /run/myserver.sock restart
  export ` + socketVar + `=/run/myserver.sock
  restartctl status
  restartctl restart --wait-drain || echo "still the old version"`

func rootCommand() *cobra.Command {
	var client control.Client
	root := &cobra.Command{
		Use:           "restartctl",
		Short:         "Restart a server so that no client notices",
		Long:          rootHelp,
		Example:       rootExample,
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return usageError{errors.New("no command was given")}
		},
	}
	root.PersistentFlags().StringVarP(&client.Path, "socket", "s", os.Getenv(socketVar), "`path` of the program's control socket; "+socketVar+" stands for it")
	// What is shown as the default must not depend on the environment.
	root.PersistentFlags().Lookup("socket").DefValue = ""
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{err} })
	for _, command := range []*cobra.Command{
		restartCommand(&client), statusCommand(&client), cancelCommand(&client), undoCommand(&client), stopCommand(&client), hammerCommand(&client),
	} {
		needSocket(command, &client)
		root.AddCommand(command)
	}
	wrapUsage(root)
	return root
}

// needSocket makes the command fail without a socket.
func needSocket(command *cobra.Command, client *control.Client) {
	do := command.RunE
	command.RunE = func(cmd *cobra.Command, args []string) error {
		if client.Path == "" {
			return usageError{errors.New("no socket was given: use --socket PATH or set " + socketVar)}
		}
		return do(cmd, args)
	}
}

// wrapUsage makes wrong arguments of every command usage errors.
func wrapUsage(command *cobra.Command) {
	check := command.Args
	command.Args = func(cmd *cobra.Command, args []string) error {
		if check == nil {
			return nil
		}
		if err := check(cmd, args); err != nil {
			return usageError{err}
		}
		return nil
	}
	for _, c := range command.Commands() {
		wrapUsage(c)
	}
}

func restartCommand(client *control.Client) *cobra.Command {
	var o control.RestartOptions
	var waitDrain bool
	command := &cobra.Command{
		Use:   "restart",
		Short: "Replace the process, and wait until the new one serves",
		Long: `restart has the program start its successor and waits until that serves. Then the
exit code is 0. If the successor fails, the old process serves on, the exit code
is 1, and the successor's own words are shown.

If another restart is under way, this one waits for it, and then runs.

Ctrl-C ends the wait, and the restart goes on; with --cancel-on-interrupt it is
called off.`,
		Example: `  restartctl restart
  restartctl restart --timeout 30s --cancel-on-interrupt
  restartctl restart --wait-drain        # until the old process has ended`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			drain := newDrainView(cmd.OutOrStdout(), cmd.ErrOrStderr())
			if waitDrain {
				o.Drain = drain.show
			}
			replaced, err := client.Restart(cmd.Context(), o)
			if waitDrain {
				drain.close()
			} else if err == nil {
				fmt.Fprintln(cmd.OutOrStdout(), replacedLine(replaced))
			}
			return err
		},
	}
	command.Flags().BoolVar(&waitDrain, "wait-drain", false, "follow the drain of the old process, and wait until it has ended")
	command.Flags().DurationVar(&o.Timeout, "timeout", 0, "call the restart off if the new process does not serve within this time, such as 30s")
	command.Flags().BoolVar(&o.Cancel, "cancel-on-interrupt", false, "call the restart off when restartctl is interrupted or killed")
	return command
}

func replacedLine(r control.Replaced) string {
	return fmt.Sprintf("generation %d (process %d) is replaced by process %d, after %s", r.Generation, r.PID, r.Successor, short(time.Duration(r.Elapsed)))
}

func statusCommand(client *control.Client) *cobra.Command {
	var asJSON, watch bool
	command := &cobra.Command{
		Use:   "status",
		Short: "Show generations, listeners, connections and the last restarts",
		Example: `  restartctl status
  restartctl status --watch
  restartctl status --json | jq .generation`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			show := showTable
			if asJSON {
				show = showJSON
			}
			if watch {
				return watchStatus(cmd.Context(), client, cmd.OutOrStdout(), show)
			}
			s, err := client.Status(cmd.Context())
			if err != nil {
				return err
			}
			return show(cmd.OutOrStdout(), s, time.Now())
		},
	}
	command.Flags().BoolVar(&asJSON, "json", false, "print JSON, as GET /status answers it")
	command.Flags().BoolVarP(&watch, "watch", "w", false, "show it again every second, until Ctrl-C")
	return command
}

func cancelCommand(client *control.Client) *cobra.Command {
	return &cobra.Command{
		Use:   "cancel",
		Short: "End the restart that is under way",
		Long: `cancel ends the restart that is under way, whoever has asked for it: the new process
is killed, and the old one serves on. It is for one that hangs. If the new
process has taken over already, nothing can be canceled. The exit code is 1 if no
restart is under way.`,
		Example: "  restartctl cancel",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := client.Cancel(cmd.Context()); err != nil {
				return err
			}
			fmt.Fprintln(cmd.OutOrStdout(), "canceled: the old process serves on")
			return nil
		},
	}
}

func undoCommand(client *control.Client) *cobra.Command {
	return &cobra.Command{
		Use:   "undo [reason]",
		Short: "Undo the last restart while its probation lasts",
		Long: `undo gives the service back to the old process, if the program has a probation
(Options.Probation) and it lasts: the old process accepts again, and the new one
finishes what it has accepted and ends. The reason is for the log. The exit code is
1 if no probation is under way.`,
		Example: `  restartctl undo
  restartctl undo "too many errors"`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := client.Undo(cmd.Context(), strings.Join(args, "")); err != nil {
				return err
			}
			fmt.Fprintln(cmd.OutOrStdout(), "undone: the old process serves again")
			return nil
		},
	}
}

func stopCommand(client *control.Client) *cobra.Command {
	return &cobra.Command{
		Use:   "stop",
		Short: "Stop the program gracefully, and wait until its process has ended",
		Long: `stop makes the program finish what it has begun and end, like SIGTERM, and waits until
its process has ended. Earlier generations that still drain go on with that.
Ctrl-C ends the wait only.`,
		Example: "  restartctl stop",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			drain := newDrainView(cmd.OutOrStdout(), cmd.ErrOrStderr())
			defer drain.close()
			return client.Stop(cmd.Context(), drain.show)
		},
	}
}

func hammerCommand(client *control.Client) *cobra.Command {
	return &cobra.Command{
		Use:   "hammer [generation]",
		Short: "End by force the drain of earlier generations",
		Long: `hammer closes the connections that an earlier generation still has, so that its
process ends: of the generation that is named, or of all that drain. The clients
lose what they had begun. The exit code is 1 if nothing drains.`,
		Example: `  restartctl status        # shows which generations drain
  restartctl hammer 3
  restartctl hammer        # all of them`,
		Args: cobra.MaximumNArgs(1),
		ValidArgsFunction: func(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
			return draining(cmd, client, args), cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			generation := 0
			if len(args) == 1 {
				var err error
				if generation, err = strconv.Atoi(args[0]); err != nil || generation < 1 {
					return usageError{fmt.Errorf("%q is not the number of a generation", args[0])}
				}
			}
			hammered, err := client.Hammer(cmd.Context(), generation)
			if err != nil {
				return err
			}
			var names []string
			for _, g := range hammered {
				names = append(names, strconv.Itoa(g))
			}
			fmt.Fprintln(cmd.OutOrStdout(), "told to close all connections: generation", strings.Join(names, ", "))
			return nil
		},
	}
}

// draining completes the argument of hammer.
func draining(cmd *cobra.Command, client *control.Client, args []string) []string {
	s, err := client.Status(cmd.Context())
	if err != nil || len(args) > 0 {
		return nil
	}
	var all []string
	for _, e := range s.Draining {
		all = append(all, fmt.Sprintf("%d\tprocess %d", e.Generation, e.PID))
	}
	return all
}
