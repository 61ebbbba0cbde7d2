package sagactl

import (
	"fmt"
	"io"
	"strings"

	"charm.land/lipgloss/v2"
	"github.com/charmbracelet/x/ansi"
)

var (
	good   = lipgloss.NewStyle().Foreground(lipgloss.Green)
	bad    = lipgloss.NewStyle().Foreground(lipgloss.Red).Bold(true)
	faint  = lipgloss.NewStyle().Faint(true)
	strong = lipgloss.NewStyle().Bold(true)
)

// table prints rows in columns that are as wide as they need to be, cut at the terminal's edge. The first
// row is the heading. Columns whose heading ends with "#" hold numbers and are aligned to the right.
func table(w io.Writer, width int, rows [][]string) {
	widths := make([]int, len(rows[0]))
	right := make([]bool, len(rows[0]))
	for i, heading := range rows[0] {
		rows[0][i], right[i] = strings.CutSuffix(heading, "#")
	}
	for _, row := range rows {
		for i, cell := range row {
			widths[i] = max(widths[i], lipgloss.Width(cell))
		}
	}
	for n, row := range rows {
		cells := make([]string, len(row))
		for i, cell := range row {
			gap := strings.Repeat(" ", widths[i]-lipgloss.Width(cell))
			if right[i] {
				cells[i] = gap + cell
			} else {
				cells[i] = cell + gap
			}
		}
		line := strings.TrimRight(strings.Join(cells, "  "), " ")
		if n == 0 {
			line = faint.Render(line)
		}
		if width > 0 {
			line = ansi.Truncate(line, width, "…")
		}
		fmt.Fprintln(w, line)
	}
}
