"""A tool in the Common Workflow Language that tells how its container was started: variables, files, directory."""

__all__ = ["TOOL"]

TOOL = """
cwlVersion: v1.2
class: CommandLineTool
requirements:
  DockerRequirement: {dockerPull: "%s"}
  EnvVarRequirement: {envDef: {GREETING: "good day"}}
  InitialWorkDirRequirement:
    listing:
      - entryname: settings
        entry: "staged"
baseCommand: [sh, -c]
arguments: ['echo "$GREETING"; cat settings; echo; cat "$0"; pwd > where; echo "$HOME" >> where']
inputs:
  table: {type: File, inputBinding: {position: 1}}
stdout: out.txt
outputs:
  out: {type: stdout}
  where: {type: File, outputBinding: {glob: where}}
"""
