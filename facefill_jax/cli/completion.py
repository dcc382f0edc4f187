"""facefill completion: what makes a shell complete verbs, options and files."""

import click
from click.shell_completion import get_completion_class

SHELLS = ("bash", "zsh", "fish")


@click.command(
  epilog="""\b
Examples:
  facefill completion bash >> ~/.bashrc
  facefill completion zsh >> ~/.zshrc
  facefill completion fish > ~/.config/fish/completions/facefill.fish
"""
)
@click.argument("shell", type=click.Choice(SHELLS))
@click.pass_context
def completion(context, shell) -> None:
  """Print what completes `facefill` in your shell."""
  kind = get_completion_class(shell)
  click.echo(kind(context.find_root().command, {}, "facefill", "_FACEFILL_COMPLETE").source())
