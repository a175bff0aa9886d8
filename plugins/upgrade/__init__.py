"""New versions of the whole station: looked for, examined, installed beside the one that runs, and kept or given up."""
