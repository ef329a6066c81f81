"""What the target costs, beside a plain one."""
