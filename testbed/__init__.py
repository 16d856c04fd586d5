"""The straight line: scenario file, plan, lab, record, verdict, report."""
