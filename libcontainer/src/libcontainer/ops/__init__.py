"""One file for each operation on a container, with one public function of its name."""
