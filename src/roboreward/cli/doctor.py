"""`roboreward doctor`: what is installed, what is missing, and the command that adds it."""

import click

from roboreward.cli.edge import EXIT_FINDINGS, json_option, print_json

_MARKS = {"ok": "ok", "missing": "MISSING", "too_old": "TOO OLD", "broken": "BROKEN", "absent": "-"}


@click.command()
@json_option
@click.pass_context
def doctor(ctx: click.Context, as_json: bool) -> None:
    """Say what is installed, what is missing, and the command that adds it.

    \b
    Exit codes:
      0  everything that roboreward needs is there and works (extras may be absent)
      1  something required is missing, too old or broken
    """
    from roboreward.cli.checkup import examine

    findings = examine()
    if as_json:
        print_json([finding.as_json() for finding in findings])
    else:
        width = max(len(finding.name) for finding in findings)
        for finding in findings:
            line = f"{_MARKS[finding.state]:<9}{finding.name:<{width + 2}}{finding.found}"
            click.echo(line.rstrip())
            if finding.remedy:
                click.echo(f"{'':<9}{'':<{width + 2}}-> {finding.remedy}")
    ctx.exit(EXIT_FINDINGS if any(finding.is_trouble for finding in findings) else 0)
