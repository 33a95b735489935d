/** The frame around every page: navigation, theme, palette and shortcuts. Pages beyond Home load when first opened. */
import { lazy, Suspense, useState } from "react";
import type { ReactNode } from "react";
import { Link, Route, Switch, useLocation, useSearch } from "wouter";
import { AccountMenu } from "../account/account-menu.tsx";
import { WhoProvider } from "../account/who-context.tsx";
import { HomePage } from "../home/home-page.tsx";
import { RangeProvider } from "../time/range-context.tsx";
import { parseRange, writeRange } from "../time/time-range.ts";
import { isApple } from "./app-platform.ts";
import { Icon, type IconName } from "./icons.tsx";
import { useShortcuts } from "./shortcuts.ts";
import { chooseTheme, useTheme, type ThemeChoice } from "./theme.ts";

const ExplorePage = lazy(async () => ({
  default: (await import("../explore/explore-page.tsx")).ExplorePage,
}));
const SettingsPage = lazy(async () => ({
  default: (await import("../account/settings-page.tsx")).SettingsPage,
}));
const Palette = lazy(async () => ({ default: (await import("./palette.tsx")).Palette }));
const ShortcutSheet = lazy(async () => ({
  default: (await import("./shortcut-sheet.tsx")).ShortcutSheet,
}));

const THEMES: readonly (readonly [choice: ThemeChoice, icon: IconName, label: string])[] = [
  ["light", "sun", "Light"],
  ["auto", "auto", "As the system"],
  ["dark", "moon", "Dark"],
];

export function App(): ReactNode {
  return (
    <WhoProvider>
      <RangeProvider>
        <Frame />
      </RangeProvider>
    </WhoProvider>
  );
}

function Frame(): ReactNode {
  const [sheet, setSheet] = useState<"palette" | "keys" | undefined>(undefined);
  useShortcuts({ onPalette: () => setSheet("palette"), onKeys: () => setSheet("keys") });
  return (
    <>
      <a className="skip" href="#content">
        Skip to content
      </a>
      <TopBar onPalette={() => setSheet("palette")} onKeys={() => setSheet("keys")} />
      <main id="content" tabIndex={-1}>
        <Suspense fallback={<p className="page loading">Loading…</p>}>
          <Switch>
            <Route path="/" component={HomePage} />
            <Route path="/explore" component={ExplorePage} />
            <Route path="/settings" component={SettingsPage} />
            <Route>
              <NotFound />
            </Route>
          </Switch>
        </Suspense>
      </main>
      <Suspense fallback={null}>
        {sheet === "palette" && (
          <Palette onClose={() => setSheet(undefined)} onKeys={() => setSheet("keys")} />
        )}
        {sheet === "keys" && <ShortcutSheet onClose={() => setSheet(undefined)} />}
      </Suspense>
    </>
  );
}

interface TopBarProps {
  readonly onPalette: () => void;
  readonly onKeys: () => void;
}

function TopBar({ onPalette, onKeys }: TopBarProps): ReactNode {
  return (
    <div className="topbar">
      <PageLink to="/" className="brand" label="Finch, home">
        <img src="/finch.svg" alt="" width="24" height="24" />
        <span>Finch</span>
      </PageLink>
      <nav className="nav" aria-label="Pages">
        <PageLink to="/">
          <Icon name="home" />
          <span>Home</span>
        </PageLink>
        <PageLink to="/explore">
          <Icon name="explore" />
          <span>Explore</span>
        </PageLink>
        <button type="button" className="nav-search" onClick={onPalette}>
          <Icon name="search" />
          <span>Search</span>
          <kbd>{isApple() ? "⌘" : "Ctrl"} K</kbd>
        </button>
      </nav>
      <div className="topbar-end">
        <button
          type="button"
          className="icon-button keys-button"
          aria-label="Keyboard shortcuts"
          title="Keyboard shortcuts (?)"
          onClick={onKeys}
        >
          <Icon name="keyboard" />
        </button>
        <ThemeSwitch />
        <AccountMenu />
      </div>
    </div>
  );
}

/** A link to another page that takes the time range along. */
function PageLink({
  to,
  className,
  label,
  children,
}: {
  readonly to: string;
  readonly className?: string;
  readonly label?: string;
  readonly children: ReactNode;
}): ReactNode {
  const [path] = useLocation();
  const search = useSearch();
  const range = search === "" ? "" : `?${writeRange("", parseRange(search))}`;
  return (
    <Link
      href={`${to}${range}`}
      {...(className === undefined ? {} : { className })}
      aria-label={label}
      aria-current={path === to ? "page" : undefined}
    >
      {children}
    </Link>
  );
}

function ThemeSwitch(): ReactNode {
  const theme = useTheme();
  return (
    <div className="segments theme-switch" role="group" aria-label="Theme">
      {THEMES.map(([choice, icon, label]) => (
        <button
          key={choice}
          type="button"
          aria-pressed={theme === choice}
          aria-label={label}
          title={label}
          onClick={() => chooseTheme(choice)}
        >
          <Icon name={icon} />
        </button>
      ))}
    </div>
  );
}

function NotFound(): ReactNode {
  return (
    <div className="page not-found">
      <h1>Nothing here</h1>
      <p>
        This address leads nowhere. <Link href="/">Go home</Link>.
      </p>
    </div>
  );
}
