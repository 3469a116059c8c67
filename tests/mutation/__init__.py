"""What the tests would notice: refusals taken away one by one, and small faults put into the code that judges.

python -m tests.mutation kills             each refusal is taken away in turn; the table in docs/rules.md
python -m tests.mutation score             each mutant of the judging modules in turn; tests/mutation/score.txt
python -m tests.mutation check             do the committed tables still fit the code? (cheap, in the suite)
"""
